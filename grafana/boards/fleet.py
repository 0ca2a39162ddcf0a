"""The fleet: start here."""

from typing import Final

from grafana.builder.dashboards import Dashboard, Row
from grafana.builder.panels import Panel
from grafana.builder.queries import fleet, quantile, rate
from shared import metrics

from .common import FIRING, answered_in_time

_NOW: Final = Row(
    "Is anything wrong?",
    (
        Panel(
            "Alerts firing",
            "Alerts that fire at the moment, without the watchdog.",
            ((f"count({FIRING}) or vector(0)", ""),),
            kind="stat",
            width=6,
            height=5,
            steps=((1, "orange"), (3, "red")),
            runbooks=("Watchdog", "TargetDown"),
        ),
        Panel(
            "Stations online",
            "Share of the stations that were ever seen which are online now.",
            (("ampstream:stations_online:ratio", ""),),
            unit="percentunit",
            kind="gauge",
            width=6,
            height=5,
            base="red",
            steps=((0.8, "orange"), (0.9, "green")),
            limits=(0, 1),
            runbooks=("StationsOfflineMassEvent",),
        ),
        answered_in_time(),
        Panel(
            "Oldest unread entry",
            "How long the oldest entry of all uplinks waits for a worker; above 10 s somebody is woken.",
            ((f"max({fleet(metrics.STREAM_LAG_SECONDS, 'stream', 'group')})", ""),),
            unit="s",
            kind="stat",
            width=6,
            height=5,
            steps=((2, "orange"), (10, "red")),
            runbooks=("StreamLagHigh", "WorkersAbsent"),
        ),
        Panel(
            "What fires, since when",
            "Each alert while it fires. Nothing to see: nothing fired in this time.",
            ((f"max by (alertname, severity) ({FIRING})", "{{alertname}} ({{severity}})"),),
            unit="short",
            kind="state-timeline",
            width=24,
            height=6,
            base="transparent",
            steps=((1, "red"),),
        ),
    ),
)
_PRESENCE: Final = Row(
    "Presence",
    (
        Panel(
            "Stations by state",
            "Stations by state; a step down of online is a mass disconnect.",
            ((fleet(metrics.STATIONS, "state"), "{{state}}"),),
            width=12,
            runbooks=("StationsOfflineMassEvent",),
        ),
        Panel(
            "Who came and went",
            "Changes a second, by how they were noticed; many by sweep mean that expiry notifications get lost.",
            ((rate(metrics.PRESENCE_TRANSITIONS, "to", "cause"), "{{to}}: {{cause}}"),),
            unit="ops",
            width=12,
            runbooks=("ExpiryEventsLost",),
        ),
        Panel(
            "Upgrades by outcome",
            "Stations that dial in, a second; anything but accepted for long is a wrong setup or an attack.",
            ((rate(metrics.EDGE_CONNECTS, "result"), "{{result}}"),),
            unit="ops",
            runbooks=("ReconnectStorm", "ConnectRejectSpike"),
        ),
        Panel(
            "Sockets that ended",
            "A second, by who or what ended them; station, lost and drain are everyday life.",
            ((rate(metrics.EDGE_DISCONNECTS, "reason"), "{{reason}}"),),
            unit="ops",
            runbooks=("StationsOfflineMassEvent", "SupersedeSpike"),
        ),
        Panel(
            "Delay until shown offline",
            "From the moment a presence ran out until the station is shown offline.",
            (
                (quantile(0.5, metrics.PRESENCE_DELAY_SECONDS), "p50"),
                (quantile(0.99, metrics.PRESENCE_DELAY_SECONDS), "p99"),
            ),
            unit="s",
            steps=((30, "orange"),),
            runbooks=("ExpiryEventsLost",),
        ),
    ),
)

FLEET: Final = Dashboard(
    "ampstream-fleet",
    "Ampstream: Fleet",
    "Is anything wrong, where, and since when? Start here; the other dashboards and the runbooks are linked above.",
    (_NOW, _PRESENCE),
)
