"""The fleet: who is there, in which state, and how soon an absence is noticed."""

from typing import Final

from shared.metrics.base import PROTOCOLS, REGISTRY
from shared.series import OTHER

_CONNECTOR_STATUSES: Final = (
    *("Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV", "Finishing", "Reserved", "Unavailable"),
    *("Faulted", OTHER),
)

STATIONS: Final = REGISTRY.gauge(
    "stations",
    "Stations by state, the same figure from every worker; a rise of offline is a network, an edge or a power cut.",
    {"state": ("online", "offline", "never_seen"), "protocol": PROTOCOLS},
)
CONNECTORS: Final = REGISTRY.gauge(
    "connectors",
    "Connectors by their last reported status; a rise of Faulted or Unavailable is money not earned.",
    {"status": _CONNECTOR_STATUSES},
)
PRESENCE_TRANSITIONS: Final = REGISTRY.counter(
    "presence_transitions_total",
    "Stations that came or went, by how it was noticed; many by sweep mean that expiry events get lost.",
    {"to": ("online", "offline", "reconnecting"), "cause": ("connect", "close", "expiry", "sweep", "node")},
)
PRESENCE_DELAY_SECONDS: Final = REGISTRY.histogram(
    "presence_detection_delay_seconds",
    "From a presence deadline to the station being shown offline; rises when sweeps are late or workers busy.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900),
)
