"""What commands may be repeated, what a station must have been accepted for, and what an answer's status means.

By action, for all versions: the names of 1.6 and 2.x never mean different things.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from shared.records.commands import CommandState, Queued
from shared.records.stations import Registration, StationRecord

from .quirks import quirks_of

SAFE_TO_REPEAT: Final = frozenset(
    {
        "GetConfiguration",
        "GetLocalListVersion",
        "GetCompositeSchedule",
        "GetInstalledCertificateIds",
        "GetVariables",
        "GetTransactionStatus",
    }
)
"""Actions that only read: after the end of their session they are sent again (docs/architecture.md)."""
SAFE_TRIGGERS: Final = frozenset({"StatusNotification", "MeterValues", "Heartbeat"})
"""TriggerMessages that may be repeated as well."""
TRIGGER_ACTIONS: Final = frozenset({"TriggerMessage", "ExtendedTriggerMessage"})
CHARGING_ACTIONS: Final = frozenset(
    {"RemoteStartTransaction", "RemoteStopTransaction", "RequestStartTransaction", "RequestStopTransaction"}
)
"""Not allowed while a station is pending (OCPP 1.6 §4.2, 2.0.1 B02.FR.05)."""
READS_CONFIGURATION: Final = frozenset({"GetConfiguration"})
ACCEPTED_WORDS: Final = frozenset({"accepted", "acceptedcanceled", "scheduled", "rebootrequired", "unlocked"})
OUTCOMES: Final[dict[str, dict[str, CommandState]]] = {}
"""Action -> status in lower case -> what it makes of a command; handlers fill it from the types of their responses.

Empty for an action whose answer has no status.
"""


def is_safe_to_repeat(action: str, trigger: str) -> bool:
    """Tell whether a command whose fate is unknown may be sent again."""
    return action in SAFE_TO_REPEAT or (action in TRIGGER_ACTIONS and trigger in SAFE_TRIGGERS)


def is_permitted(queued: Queued, registration: Registration, station: StationRecord | None) -> bool:
    """Tell whether a command may be sent to a station of this registration."""
    if registration == "accepted":
        return True
    if registration != "pending":
        return False  # To a rejected station nothing is sent (OCPP 1.6 §4.2).
    if queued.action in CHARGING_ACTIONS:
        return False
    return not (is_boot_trigger(queued) and quirks_of(station).no_boot_trigger)


def forbidden_for_good(queued: Queued, registration: Registration, station: StationRecord | None) -> str:
    """Return why a command will never be sent as things stand; empty where it may be."""
    if registration == "accepted" and is_boot_trigger(queued):
        return "a station that is accepted is not asked to boot (OCPP 1.6 errata 3.40)"  # quirk 3
    if queued.action in READS_CONFIGURATION and quirks_of(station).no_configuration_reads:
        return "this model reboots when its configuration is read"  # quirk 22
    return ""


def is_boot_trigger(queued: Queued) -> bool:
    """Tell whether a command asks the station for a BootNotification."""
    return queued.action in TRIGGER_ACTIONS and queued.trigger == "BootNotification"


def learn(action: str, statuses: Iterable[str]) -> None:
    """Enter an action into `OUTCOMES`, with every status that its answer may have."""
    OUTCOMES.setdefault(action, {}).update({status.lower(): _by_word(status) for status in statuses})


def outcome(action: str, response: Any) -> CommandState:
    """Return what a CALLRESULT's payload makes of the command: by its status, accepted where it has none."""
    status = response.get("status") if isinstance(response, dict) else None
    table = OUTCOMES.get(action)
    if status is None or table == {}:
        return "accepted"
    if not isinstance(status, str):
        return "rejected"
    return (table or {}).get(status.lower()) or _by_word(status)


def _by_word(status: str) -> CommandState:
    return "accepted" if status.lower() in ACCEPTED_WORDS else "rejected"
