"""Demand response: events that run, who kept to them, and whether the VTN answers."""

from typing import Final

from grafana.builder.dashboards import Row
from grafana.builder.panels import Panel
from grafana.builder.queries import fleet, per_minute
from shared import metrics

DEMAND: Final = Row(
    "Demand response",
    (
        Panel(
            "Demand response events",
            "That run now, and a minute those that began, by what they asked for.",
            (
                (fleet(metrics.DEMAND_RUNNING), "run"),
                (per_minute(metrics.DEMAND_EVENTS, "source", "kind"), "began: {{source}}, {{kind}}"),
            ),
        ),
        Panel(
            "Stations after demand response",
            "A minute, of events that are over. Exceeded: it drew more than its limit; unknown: no meter told.",
            ((per_minute(metrics.DEMAND_STATIONS, "result"), "{{result}}"),),
            unit="opm",
            colours=(("complied", "green"), ("exceeded", "red"), ("site", "blue"), ("unknown", "yellow")),
        ),
        Panel(
            "Questions to the VTN",
            "A minute; where only failed ones are left, events are missed.",
            ((per_minute(metrics.OPENADR_POLLS, "result"), "{{result}}"),),
            unit="opm",
            colours=(("ok", "green"), ("failed", "red")),
        ),
    ),
)
