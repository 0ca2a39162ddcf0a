"""Smart charging."""

from typing import Final

from shared.metrics.base import REGISTRY

PROBES: Final = REGISTRY.counter(
    "probes_total",
    "Probes of stations' smart charging that ended; aborted ones were restored, and taught nothing of the model.",
    {"result": ("complete", "aborted")},
)
PROBE_CHECKS: Final = REGISTRY.counter(
    "probe_checks_total",
    "Checks of probes by what they came to; failed: it contradicts the standard, or what the station says of itself.",
    {"verdict": ("passed", "failed", "lacking", "untested")},
)
CHARGING_PROFILES: Final = REGISTRY.counter(
    "charging_profiles_total",
    "Charging profiles by the state that they came into; refused and differs tell of models that do as they like.",
    {
        "purpose": ("station_max", "default", "transaction"),
        "state": ("wanted", "accepted", "verified", "differs", "refused", "unconfirmed"),
    },
)
