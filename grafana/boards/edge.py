"""Each edge by itself."""

from typing import Final

from grafana.builder.dashboards import Dashboard, Row
from grafana.builder.panels import Panel
from grafana.builder.queries import foreign, foreign_rate, per_minute, quantile, rate, select, total
from shared import metrics

from .common import OURSELVES, PERCENTILES, quantiles

_FULL: Final = f"{total(metrics.EDGE_CONNECTIONS, 'instance')} / {total(metrics.EDGE_CONNECTIONS_LIMIT, 'instance')}"

_PROFILES: Final = tuple(
    (f"{protocol}, {profile}", shade + colour)
    for protocol, shade in (("ocpp1.6", ""), ("ocpp2.0.1", "light-"), ("ocpp2.1", "dark-"))
    for profile, colour in enumerate(("orange", "yellow", "green", "blue"))
)
"""Security profile 0 is no security; the higher, the cooler the colour."""

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
            "1 while an edge shuts down in order; and how often a minute it sent all of its stations away.",
            (
                (total(metrics.EDGE_DRAINING, "instance"), "draining {{instance}}"),
                (per_minute(metrics.EDGE_FAIL_CLOSED, "instance"), "failed closed {{instance}}"),
            ),
            runbooks=("EdgeFailedClosed",),
        ),
        Panel(
            "By protocol and profile",
            "Sockets by OCPP version and security profile.",
            ((total(metrics.EDGE_CONNECTIONS, "protocol", "security_profile"), "{{protocol}}, {{security_profile}}"),),
            stacked=True,
            colours=_PROFILES,
        ),
        Panel(
            "TLS handshakes by outcome",
            "A minute; refused: stations do not like our certificate, certificate: we do not like theirs.",
            ((per_minute(metrics.EDGE_TLS_HANDSHAKES, "result"), "{{result}}"),),
            unit="opm",
            colours=(("ok", "green"), ("certificate", "orange"), ("refused", "red")),
            runbooks=("CertificatesExpiring",),
        ),
        Panel(
            "Our certificate's end",
            "Time until the first of the certificates ends that an edge shows stations; none: TLS ends elsewhere.",
            ((f"min by (instance) ({select(metrics.EDGE_TLS_CERTIFICATE_ENDS)} > 0) - time()", "{{instance}}"),),
            unit="s",
            runbooks=("ServerCertificateExpiring",),
        ),
        Panel(
            "Life of a socket",
            "How long sockets lived that ended; short ones are stations that loop.",
            quantiles(metrics.EDGE_CONNECTION_SECONDS),
            unit="s",
            log=True,
            colours=PERCENTILES,
        ),
        Panel(
            "Replaced by their own",
            "Sockets a minute that the station's next one replaced; from another address it may be a stolen key.",
            ((per_minute(metrics.EDGE_SUPERSEDED, "same_address"), "same address: {{same_address}}"),),
            unit="opm",
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
            "Texts a minute that are no frame, or none that fits; a rise is a firmware.",
            ((per_minute(metrics.EDGE_INVALID_FRAMES, "reason"), "{{reason}}"),),
            unit="opm",
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
            width=12,
            log=True,
            colours=PERCENTILES,
        ),
        Panel(
            "Frames waiting for sockets",
            "A rise is stations that do not read.",
            ((total(metrics.EDGE_SEND_QUEUE, "instance"), "{{instance}}"),),
            width=12,
        ),
    ),
)
_OPERATORS: Final = Row(
    "Operators",
    (
        Panel(
            "Operators' requests, p99",
            "Requests at the operators' listener, by route.",
            ((quantile(0.99, metrics.HTTP_SECONDS, "route"), "{{route}}"),),
            unit="s",
            width=16,
            log=True,
            beside=True,
        ),
        Panel(
            "Operators' requests by status",
            "Requests a second by their HTTP status; 5xx is our fault, or Redis's.",
            ((rate(metrics.HTTP_SECONDS, "code"), "{{code}}"),),
            unit="ops",
            colours=(("200", "green"), ("500", "red"), ("503", "orange"), ("504", "purple")),
        ),
        Panel(
            "Operators turned away",
            "Requests without a good token, a minute; unknown and throttled: somebody guesses.",
            ((per_minute(metrics.OPERATOR_AUTH_FAILURES, "reason"), "{{reason}}"),),
            unit="opm",
            runbooks=("SecurityEventsCritical",),
        ),
        Panel(
            "Changes by outcome",
            "What operators changed or tried, a minute, as the audit log has it.",
            ((per_minute(metrics.AUDIT_ENTRIES, "outcome"), "{{outcome}}"),),
            unit="opm",
            colours=(("done", "green"), ("refused", "yellow"), ("failed", "red"), ("unknown", "orange")),
        ),
        Panel(
            "Security alarms",
            "Of the whole fleet, a minute: events that no normal operation brings about.",
            ((per_minute(metrics.SECURITY_ALARMS, "kind"), "{{kind}}"),),
            unit="opm",
            runbooks=("SecurityEventsCritical",),
        ),
    ),
)
_PROCESS: Final = Row(
    "Process",
    (
        Panel(
            "CPU",
            "Cores; one is all that a process can use.",
            ((foreign_rate("process_cpu_seconds_total", "job", "instance", job=OURSELVES), "{{job}} {{instance}}"),),
            steps=((0.9, "orange"),),
            runbooks=("EventLoopBlocked",),
        ),
        Panel(
            "Memory",
            "Resident memory.",
            ((foreign("process_resident_memory_bytes", job=OURSELVES), "{{job}} {{instance}}"),),
            unit="bytes",
        ),
        Panel(
            "Open descriptors",
            "Each station is one on its edge.",
            ((foreign("process_open_fds", job=OURSELVES), "{{job}} {{instance}}"),),
        ),
    ),
)

EDGE: Final = Dashboard(
    "ampstream-edge",
    "Ampstream: Edge",
    "Each edge by itself: is one fuller, slower or stranger than the others?",
    (_SOCKETS, _FRAMES, _OPERATORS, _PROCESS),
)
