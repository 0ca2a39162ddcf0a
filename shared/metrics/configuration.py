"""Stations' configurations: reads, and what drifted."""

from typing import Final, get_args

from shared.metrics.base import REGISTRY
from shared.records.configuration import ChangeKind

_KINDS: Final = get_args(ChangeKind)
CONFIGURATION_READS: Final = REGISTRY.counter(
    "configuration_reads_total",
    "Reads of a station's whole configuration that ended; failed: it did not answer, or held no key, time after time.",
    {"trigger": ("boot", "schedule", "operator", "job"), "result": ("ok", "failed")},
)
CONFIGURATION_DRIFTS: Final = REGISTRY.counter(
    "configuration_drifts_total",
    "Drifts found, by each kind of change in them; a rise is a firmware, or somebody who sets keys on site.",
    {"kind": _KINDS},
)
STATIONS_TUNED: Final = REGISTRY.gauge(
    "stations_tuned",
    "Stations that templates match, by how they stand: reverting ones are left alone, refused ones need another "
    "template; pending that does not fall again waits for reboots, or for stations that are offline.",
    {"state": ("in_line", "differs", "pending", "refused", "reverting")},
)
TUNING_KEYS: Final = REGISTRY.counter(
    "tuning_keys_total",
    "Configuration keys that templates want, by what came of setting them; a rise of reverting: somebody else sets "
    "them too.",
    {"result": ("set", "refused", "reverting")},
)
STATIONS_DRIFT: Final = REGISTRY.gauge(
    "stations_config_drift",
    "Stations with an unacknowledged drift of their configuration; a rise asks for a look at what changed.",
)
