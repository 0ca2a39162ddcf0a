"""Each edge by itself."""

from typing import Final

from grafana.builder.dashboards import Dashboard, Row
from grafana.builder.panels import Panel
from grafana.builder.queries import foreign, foreign_rate, quantile, rate, total
from shared import metrics

from .common import quantiles

_FULL: Final = f"{total(metrics.EDGE_CONNECTIONS, 'instance')} / {total(metrics.EDGE_CONNECTIONS_LIMIT, 'instance')}"

_SOCKETS: Final = Row(
    "Sockets",
    (
        Panel(
            "Stations' sockets",
            "Sockets that each edge holds; a step down is a mass disconnect.",
            ((total(metrics.EDGE_CONNECTIONS, "instance"), "{{instance}}"),),
            stacked=True,
            runbooks=("StationsOfflineMassEvent",),
        ),
        Panel(
            "How full",
            "Share of the sockets an edge may hold.",
            ((_FULL, "{{instance}}"),),
            unit="percentunit",
            steps=((0.85, "orange"),),
            limits=(0, 1),
            runbooks=("EdgeNearConnectionLimit",),
        ),
        Panel(
            "Draining, failed closed",
            "1 while an edge shuts down in order; and how often a second it sent all of its stations away.",
            (
                (total(metrics.EDGE_DRAINING, "instance"), "draining {{instance}}"),
                (rate(metrics.EDGE_FAIL_CLOSED, "instance"), "failed closed {{instance}}"),
            ),
            runbooks=("EdgeFailedClosed",),
        ),
        Panel(
            "By protocol and profile",
            "Sockets by OCPP version and security profile.",
            ((total(metrics.EDGE_CONNECTIONS, "protocol", "security_profile"), "{{protocol}}, {{security_profile}}"),),
            stacked=True,
        ),
        Panel(
            "Life of a socket",
            "How long sockets lived that ended; short ones are stations that loop.",
            quantiles(metrics.EDGE_CONNECTION_SECONDS),
            unit="s",
        ),
        Panel(
            "Replaced by their own",
            "Sockets a second that the station's next one replaced; from another address it may be a stolen key.",
            ((rate(metrics.EDGE_SUPERSEDED, "same_address"), "same address: {{same_address}}"),),
            unit="ops",
            runbooks=("SupersedeSpike",),
        ),
    ),
)
_FRAMES: Final = Row(
    "Frames",
    (
        Panel(
            "Frames by direction",
            "Frames a second; in is from stations.",
            ((rate(metrics.EDGE_FRAMES, "direction", "type"), "{{direction}} {{type}}"),),
            unit="ops",
        ),
        Panel(
            "Invalid frames",
            "Texts a second that are no frame, or none that fits; a rise is a firmware.",
            ((rate(metrics.EDGE_INVALID_FRAMES, "reason"), "{{reason}}"),),
            unit="ops",
            runbooks=("InvalidFrames",),
        ),
        Panel(
            "Size of frames, p99",
            "By direction.",
            ((quantile(0.99, metrics.EDGE_FRAME_BYTES, "direction"), "{{direction}}"),),
            unit="bytes",
        ),
        Panel(
            "Round trip of pings",
            "The stations' networks.",
            quantiles(metrics.EDGE_PING_SECONDS),
            unit="s",
        ),
        Panel(
            "Frames waiting for sockets",
            "A rise is stations that do not read.",
            ((total(metrics.EDGE_SEND_QUEUE, "instance"), "{{instance}}"),),
        ),
        Panel(
            "Operators' requests, p99",
            "Requests at the operators' listener, by route.",
            ((quantile(0.99, metrics.HTTP_SECONDS, "route"), "{{route}}"),),
            unit="s",
        ),
    ),
)
_PROCESS: Final = Row(
    "Process",
    (
        Panel(
            "CPU",
            "Cores; one is all that a process can use.",
            ((foreign_rate("process_cpu_seconds_total", "job", "instance"), "{{job}} {{instance}}"),),
            steps=((0.9, "orange"),),
            runbooks=("EventLoopBlocked",),
        ),
        Panel(
            "Memory",
            "Resident memory.",
            ((foreign("process_resident_memory_bytes"), "{{job}} {{instance}}"),),
            unit="bytes",
        ),
        Panel(
            "Open descriptors",
            "Each station is one on its edge.",
            ((foreign("process_open_fds"), "{{job}} {{instance}}"),),
        ),
    ),
)

EDGE: Final = Dashboard(
    "ampstream-edge",
    "Ampstream: Edge",
    "Each edge by itself: is one fuller, slower or stranger than the others?",
    (_SOCKETS, _FRAMES, _PROCESS),
)
