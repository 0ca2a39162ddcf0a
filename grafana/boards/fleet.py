"""The fleet: start here."""

from dataclasses import replace
from typing import Final

from grafana.builder.dashboards import Dashboard, Row
from grafana.builder.panels import Panel
from grafana.builder.queries import fleet, foreign, quantile, rate
from shared import metrics

from .common import GREY, PERCENTILES, answered_in_time, firing

_GONE: Final = f"count({foreign('up', job='~ampstream-.+|redis')} == 0 or {foreign('redis_up')} == 0) or vector(0)"
_SHOWN: Final = "alertname, job, instance, stream, reason, result"
_FIRES: Final = (
    f"max by ({_SHOWN}) ({firing('critical')}) * 2 or max by ({_SHOWN}) ({firing('warning')})",
    "{{alertname}} {{job}} {{instance}} {{stream}} {{reason}} {{result}}",
)


def _small(panel: Panel) -> Panel:
    """Return a panel as one of six in a row."""
    return replace(panel, width=4, height=5)


_NOW: Final = Row(
    "Is anything wrong?",
    (
        _small(
            Panel(
                "Critical alerts",
                "Alerts that fire and wake somebody.",
                ((f"count({firing('critical')}) or vector(0)", ""),),
                kind="stat",
                steps=((1, "red"),),
                runbooks=("Watchdog",),
            )
        ),
        _small(
            Panel(
                "Warnings",
                "Alerts that fire and may wait until somebody is at work.",
                ((f"count({firing('warning')}) or vector(0)", ""),),
                kind="stat",
                steps=((1, "orange"),),
            )
        ),
        _small(
            Panel(
                "Out of reach",
                "Edges, workers and Redis servers that do not answer Prometheus.",
                ((_GONE, ""),),
                kind="stat",
                steps=((1, "red"),),
                runbooks=("TargetDown",),
            )
        ),
        _small(
            Panel(
                "Stations online",
                "Share of the stations that were ever seen which are online now.",
                (("ampstream:stations_online:ratio", ""),),
                unit="percentunit",
                kind="gauge",
                base="red",
                steps=((0.8, "orange"), (0.9, "green")),
                limits=(0, 1),
                runbooks=("StationsOfflineMassEvent",),
            )
        ),
        answered_in_time(width=4),
        _small(
            Panel(
                "Oldest unread entry",
                "How long the oldest entry of all uplinks waits for a worker; above 10 s somebody is woken.",
                ((f"max({fleet(metrics.STREAM_LAG_SECONDS, 'stream', 'group')})", ""),),
                unit="s",
                kind="stat",
                steps=((2, "orange"), (10, "red")),
                runbooks=("StreamLagHigh", "WorkersAbsent"),
            )
        ),
        Panel(
            "What fires, where, since when",
            "Each alert while it fires: red is critical, orange a warning. Empty: nothing fired in this time.",
            (_FIRES,),
            unit="short",
            kind="state-timeline",
            width=24,
            height=9,
            base="transparent",
            steps=((1, "orange"), (2, "red")),
            limits=(0, 2),
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
            colours=(("online", "green"), ("offline", "orange"), ("never_seen", GREY)),
            runbooks=("StationsOfflineMassEvent",),
        ),
        Panel(
            "Who came and went",
            "Changes a second, by how they were noticed; many by sweep mean that expiry notifications get lost.",
            ((rate(metrics.PRESENCE_TRANSITIONS, "to", "cause"), "{{to}}: {{cause}}"),),
            unit="ops",
            width=12,
            beside=True,
            colours=(
                ("online: connect", "green"),
                ("reconnecting: close", "blue"),
                ("offline: close", "yellow"),
                ("offline: expiry", "orange"),
                ("offline: sweep", "red"),
                ("offline: node", "purple"),
            ),
            runbooks=("ExpiryEventsLost",),
        ),
        Panel(
            "Upgrades by outcome",
            "Stations that dial in, a second; anything but accepted for long is a wrong setup or an attack.",
            ((rate(metrics.EDGE_CONNECTS, "result"), "{{result}}"),),
            unit="ops",
            colours=(("accepted", "green"), ("auth_failed", "red"), ("failed_closed", "orange")),
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
            log=True,
            colours=PERCENTILES,
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
