"""The flags that a transaction may carry, those that only a station carries, and what each means.

A station carries what its transactions do. All are counted in `quirks_total`, so both sets are closed; the deviations
that `shared.ocpp.quirks` tolerates in a payload are a third.
"""

from __future__ import annotations

from typing import Final

CLOCK_SUSPECT: Final = "clock_suspect"
START_KEY_REUSED: Final = "start_key_reused"
SUPERSEDED: Final = "superseded_by_start"
OUT_OF_ORDER: Final = "out_of_order"
UNREADABLE_START: Final = "unreadable_start"
METER_START_INVALID: Final = "meter_start_invalid"
METER_STOP_INVALID: Final = "meter_stop_invalid"
METER_STOP_LOW: Final = "meter_stop_below_sample"
REGISTER_BACK: Final = "register_went_back"
REGISTER_JUMPED: Final = "register_jumped"
SESSION_REGISTER: Final = "session_register"
ENERGY_IMPLAUSIBLE: Final = "energy_implausible"
STOP_MATCHED: Final = "stop_matched"
STOP_CONFLICT: Final = "stop_conflict"
STOP_TAG_DIFFERS: Final = "stop_tag_differs"
STOPPED_BEFORE_START: Final = "stopped_before_start"
LATE_SAMPLES: Final = "late_samples"
CONFLICTING_SAMPLES: Final = "conflicting_samples"
UNKNOWN_TRANSACTION: Final = "unknown_transaction"
BUILT_FROM_STOP: Final = "built_from_stop"
ORPHAN_STOP: Final = "orphan_stop"
ESTIMATED: Final = "estimated"
CORRECTED: Final = "corrected"
VALUE_RANGE: Final = "value_out_of_range"
RESERVED_FOR_ANOTHER: Final = "reserved_for_another"
RESERVATION_UNKNOWN: Final = "reservation_unknown"
RESERVATION_DIFFERS: Final = "reservation_differs"
OFFLINE_REFUSED: Final = "offline_refused"
CHARGED_REFUSED: Final = "charged_refused"
AUTHORIZED_STALE: Final = "authorized_stale"
AUTHORIZED_UNASKED: Final = "authorized_unasked"

MEANINGS: Final[dict[str, str]] = {
    CLOCK_SUSPECT: "the station's time cannot be right; see received_at",
    START_KEY_REUSED: "equal to an ended transaction's start, at a time that cannot be right: taken as a new one",
    SUPERSEDED: "ended because the connector started another transaction",
    OUT_OF_ORDER: "its start came after that of a later transaction on the connector",
    UNREADABLE_START: "its StartTransaction could not be understood and was answered Invalid",
    METER_START_INVALID: "the start carried no meter value that can be; the first one known took its place",
    METER_STOP_INVALID: "the stop carried no meter value that can be; the last known one took its place",
    METER_STOP_LOW: "the stop's meter value was below the last sample, which took its place",
    REGISTER_BACK: "the energy register went back",
    REGISTER_JUMPED: "a sample of the energy register was beyond what any station delivers, and was not counted",
    SESSION_REGISTER: "the station counts energy from 0 in each session",
    ENERGY_IMPLAUSIBLE: "more energy than any station delivers in that time",
    STOP_MATCHED: "the stop named no transaction of this station, and this was the one it fits",
    STOP_CONFLICT: "a second stop differs from the first, which stays; the second is in the history",
    STOP_TAG_DIFFERS: "stopped by a tag that is neither the starting one nor of its group",
    STOPPED_BEFORE_START: "by the station's clock it ended before it began",
    LATE_SAMPLES: "samples came after its end",
    CONFLICTING_SAMPLES: "a sample came again with another value; both are kept",
    UNKNOWN_TRANSACTION: "meter values named no transaction of this station, and belong to its connector's",
    BUILT_FROM_STOP: "its start was lost; it was built from the stop",
    ORPHAN_STOP: "its start is unknown, so is its energy",
    ESTIMATED: "its end is, or was, an estimate",
    CORRECTED: "the station's own stop replaced an estimate",
    VALUE_RANGE: "a number was beyond every range that it could have",
    RESERVED_FOR_ANOTHER: "it began on a connector that was reserved for another tag",
    RESERVATION_UNKNOWN: "its start named a reservation that is not known",
    RESERVATION_DIFFERS: "its start named a reservation of another tag or another connector",
    OFFLINE_REFUSED: "it began before the station was connected, and its tag was refused when its start came",
    CHARGED_REFUSED: "it was given energy after its tag was refused, more than the station's MaxEnergyOnInvalidId",
    AUTHORIZED_STALE: "the external authorizer did not answer; what it had said last decided",
    AUTHORIZED_UNASKED: "the external authorizer did not answer; it was accepted without",
}
"""Flag -> meaning; the documentation's table is made from it."""

OF_STATIONS: Final[dict[str, str]] = {
    "available_early": "it reported a connector Available before the stop of its transaction",
    "configuration": "its answer to a reading of its configuration was not as the standard has it, and was understood",
    "configuration_truncated": "its configuration is larger than what is kept of it",
    "configuration_unread": "its configuration could not be read",
    "connector_range": "a connector's number is beyond what a station has; it is not shown",
    "decimal_comma": "a sample was written with a decimal comma",
    "error_code": "it answered a command with an error code that no version knows",
    "flood": "it sends heartbeats or statuses several times a second; all are answered",
    "late_answer": "it answered a command after that had timed out",
    "no_pong": "it does not answer pings; its other frames are its signs of life",
    "limit_exceeded": "it draws more than a charging profile that it accepted allows",
    "not_a_number": "a sample is no number, and was kept as text",
    "path": "it dials a path with slashes too many, or a whole URI",
    "quarantined": "a frame of its was put into quarantine",
    "reservation_lost": "it showed a reserved connector free or out of service while the reservation was valid",
    "reserved_unknown": "it showed a connector Reserved for which no reservation is known",
    "reverting": "it keeps going back to another value of a key that a template sets; the key is left alone",
    "schedule_differs": "the composite schedule that it computes allows more than its charging profiles do",
    "subprotocol": "it offered no known subprotocol, or one in another letter case",
    "unaccepted": "it reported a transaction before it was accepted; the report was taken",
    "unbooted": "it reports without ever having sent a BootNotification",
    "unit_spelling": "a unit was written in another way, and understood",
    "unit_unknown": "a unit is unknown, and its samples were kept as they came",
    "unsupported": "it does not know an action, and is not asked that again",
    "upgrade": "its handshake lacks `Connection: Upgrade`",
}
"""Further flags that only stations carry, as `flag` or `flag:detail` -> meaning."""


def union(flags: tuple[str, ...], *names: str) -> tuple[str, ...]:
    """Return `flags` with `names` that are not among them, in order."""
    new = [name for name in dict.fromkeys(names) if name not in flags]
    return (*flags, *new) if new else flags
