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
SITES: Final = REGISTRY.gauge("sites", "Sites whose capacity is shared among their stations; each has one worker.")
SITES_OVER: Final = REGISTRY.gauge(
    "sites_over_limit",
    "Sites where a circuit draws more than it may, by the meters; one that stays is a station that does not obey.",
)
SITES_OVERDUE: Final = REGISTRY.gauge(
    "sites_overdue",
    "Sites whose last round is several rounds ago: nobody allocates, and stations keep the limits that they have.",
)
SITE_WATTS: Final = REGISTRY.gauge(
    "sites_watts",
    "Power at the roots of all sites, by the last rounds; drawn and base against limit is how well it is used.",
    {"kind": ("limit", "base", "allocated", "drawn")},
)
SITES_UTILISATION: Final = REGISTRY.gauge(
    "sites_utilisation_ratio",
    "Drawn and base load of all sites together, of what their roots take; near 1 they are full, above it too full.",
)
SITE_ROUNDS: Final = REGISTRY.counter(
    "site_rounds_total",
    "Rounds of sites' allocators; lost: another worker or a new document came first; failed ones stand in the log.",
    {"result": ("ok", "lost", "failed")},
)
SITE_ROUND_SECONDS: Final = REGISTRY.histogram(
    "site_round_duration_seconds", "How long a round takes, reads included; rises with the stations of a site."
)
SITE_COMMANDS: Final = REGISTRY.counter(
    "site_commands_total",
    "Limits that sites' allocators sent, by what for; a rise without more traffic is limits that swing.",
    {"change": ("transaction", "default", "clear")},
)
