"""Demand response."""

from typing import Final

from shared.metrics.base import REGISTRY

DEMAND_RUNNING: Final = REGISTRY.gauge(
    "demand_events_running", "Demand response events that run; as the worker counts that begins and ends them."
)
DEMAND_EVENTS: Final = REGISTRY.counter(
    "demand_events_total",
    "Demand response events that began: by where they came from and what they asked for.",
    {"source": ("operator", "openadr"), "kind": ("curtail", "shed")},
)
DEMAND_STATIONS: Final = REGISTRY.counter(
    "demand_stations_total",
    "Stations under demand response events that are over; exceeded: it drew more than its limit on the average. "
    "site: its site kept the limit for all; unknown: no meter told.",
    {"result": ("complied", "exceeded", "site", "unknown")},
)
OPENADR_POLLS: Final = REGISTRY.counter(
    "openadr_polls_total",
    "Times that the VTN was asked for events; where only failed rises, events are missed.",
    {"result": ("ok", "failed")},
)
