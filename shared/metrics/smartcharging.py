"""Smart charging."""

from typing import Final

from shared.metrics.base import REGISTRY

CHARGING_PROFILES: Final = REGISTRY.counter(
    "charging_profiles_total",
    "Charging profiles by the state that they came into; refused and differs tell of models that do as they like.",
    {
        "purpose": ("station_max", "default", "transaction"),
        "state": ("wanted", "accepted", "verified", "differs", "refused", "unconfirmed"),
    },
)
