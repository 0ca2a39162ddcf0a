"""The deviations of real stations that are tolerated, as data; `lenient` and `timestamps` apply them.

A flag is `quirk:field`, the field as dotted JSON names without indices (`enum:meterValue.sampledValue.unit`). The quirk
alone, `quirk_of(flag)`, is a member of QUIRK_NAMES, so it fits a metric label; the field may come from a station.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

PAYLOAD_QUIRKS: Final[Mapping[str, str]] = {
    "boolean": "a boolean was written as a string or number",
    "case": "an enum value was written in another letter case, and mapped",
    "dropped": "a part that is optional and unusable was left out",
    "empty": "an array has fewer items than it must",
    "enum": "an unknown enum value was kept as it came",
    "missing": "a required field lacked, and a safe default stands for it",
    "null": "null, or an empty enum value, was taken as absent",
    "number": "a number was written as a string or with a fraction, or was unusable and has a safe default",
    "overlong": "a string or array is longer than it may be, and was kept",
    "range": "a number lies outside its bounds, and was kept",
    "single": "one item stood where an array of items belongs",
    "step": "a number is no multiple of the schema's step, and was kept",
    "text": "a number or boolean stood where a string belongs",
    "unknown": "an unknown field was ignored",
    "version": "the payload is valid only in a later version",
}
TIME_QUIRKS: Final[Mapping[str, str]] = {
    "implausible": "the time is far from ours: a clock that was never set, or a wrong one",
    "loose_time": "the time is written in another form of ISO 8601",
    "no_zone": "the time has no zone",
    "short_offset": "the zone's offset has no minutes",
    "unreadable_time": "the time cannot be read",
}
QUIRK_NAMES: Final = frozenset((*PAYLOAD_QUIRKS, *TIME_QUIRKS))

UNKNOWN_TRANSACTION: Final = -1
"""The transaction id of a stop that names none."""
UNKNOWN_METER: Final = -1
"""The register of a stop that reports none; stations themselves use it so."""

DEFAULTS: Final[Mapping[tuple[str, str], Any]] = {
    # (class, JSON name): what stands for a required field that lacks, is null or is unusable. An empty string means
    # that nothing was reported; timestamps then give way to the time of receipt.
    ("BootNotificationRequest", "chargePointModel"): "",
    ("BootNotificationRequest", "chargePointVendor"): "",
    ("DataTransferRequest", "vendorId"): "",
    ("KeyValue", "readonly"): False,
    ("MeterValue", "timestamp"): "",
    ("SecurityEventNotificationRequest", "timestamp"): "",
    ("StartTransactionRequest", "idTag"): "",  # free vending (quirk 28)
    ("StartTransactionRequest", "timestamp"): "",
    ("StatusInfoType", "reasonCode"): "",
    ("StatusNotificationRequest", "errorCode"): "NoError",
    ("StopTransactionRequest", "meterStop"): UNKNOWN_METER,
    ("StopTransactionRequest", "timestamp"): "",
    ("StopTransactionRequest", "transactionId"): UNKNOWN_TRANSACTION,  # quirk 14
    ("TransactionData", "timestamp"): "",
    # 2.0.1 does not know it, 2.1 requires it: the one break of backward compatibility. UNSET: nobody said.
    ("VariableMonitoringType", "eventNotificationType"): msgspec.UNSET,
}

DROPPABLE: Final = frozenset(("SampledValue", "SampledValueType"))
"""Items that are left out where they cannot be used: one bad sample does not take the others along."""

MAX_FLAGS: Final = 32
"""How many flags one payload gets at most."""
_STRANGE = re.compile(r"[^\w.\-]")


def make_flag(quirk: str, field: str) -> str:
    """Return a flag; the field is cleaned and cut, for a station may have named it."""
    return f"{quirk}:{_STRANGE.sub('?', field)[:100]}"


def quirk_of(flag: str) -> str:
    """Return the flag's quirk, a member of QUIRK_NAMES."""
    return flag.partition(":")[0]
