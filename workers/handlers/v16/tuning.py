"""ChangeConfiguration and Reset in the words of 1.6 (§5.3, §5.14), and the keys that carry meter data (§3.16, §9.1)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.ocpp.standard_keys import LIMIT_SUFFIX, METER_INTERVALS, METER_LISTS, standard_key
from shared.ocpp.v16.enums import ConfigurationStatus, ResetType
from shared.ocpp.v16.messages import ChangeConfigurationRequest, ResetRequest
from shared.ocpp.versions import OCPP16
from shared.records.commands import CommandRecord
from shared.records.configuration import MASK
from shared.records.templates import MeterKeys
from workers.services import commands
from workers.services.tuning import asking, running  # noqa: F401 - their timers and hooks are registered by import
from workers.services.tuning.dialect import Call, Dialect, Outcome, speaks

_OUTCOMES: Final[dict[str, Outcome]] = {
    ConfigurationStatus.ACCEPTED.lower(): "set",
    ConfigurationStatus.REBOOT_REQUIRED.lower(): "set_after_reboot",
    ConfigurationStatus.NOT_SUPPORTED.lower(): "unknown",
    ConfigurationStatus.REJECTED.lower(): "refused",
}
_UNKNOWN: Final = ("NotImplemented", "NotSupported")
_SECRET: Final = "authorizationkey"  # noqa: S105 - the key's name
_LOST: Final = frozenset({"timed_out", "expired", "cancelled"})


def _change(key: str, value: str) -> Call:
    return ChangeConfigurationRequest.action, {"key": key, "value": value}


def _reset(hard: bool) -> Call:
    return ResetRequest.action, {"type": (ResetType.HARD if hard else ResetType.SOFT).value}


def _status(response: Any) -> str:
    found = response.get("status") if isinstance(response, dict) else None
    return found[:50] if isinstance(found, str) else ""


def _outcome(command: CommandRecord) -> Outcome:
    """A CALLERROR is a refusal: what a station finds wrong with a value it may say so.

    But one that does not know the action takes no value at all.
    """
    if command.state in _LOST:
        return "lost"
    if command.error.startswith(_UNKNOWN):
        return "unknown"
    return _OUTCOMES.get(_status(command.response).lower(), "refused")


def _word(command: CommandRecord) -> str:
    return _status(command.response) or command.error[:100] or command.state


def _kind(key: str) -> str:
    found = standard_key(key)
    return found.type if found is not None else "text"


def _limit_key(key: str) -> str:
    return key + LIMIT_SUFFIX


@commands.sheds(ChangeConfigurationRequest.action)
def _without_key(command: CommandRecord) -> str:
    """Keep no password: whoever sends one by hand has it in the record until the station has answered."""
    payload = msgspec.json.decode(command.payload)
    if str(payload.get("key", "")).lower() != _SECRET:
        return command.payload
    return msgspec.json.encode({**payload, "value": MASK}).decode()


speaks(
    OCPP16.subprotocol,
    Dialect(
        change=_change,
        reset=_reset,
        outcome=_outcome,
        word=_word,
        kind=_kind,
        limit_key=_limit_key,
        meter=MeterKeys(METER_LISTS, METER_INTERVALS),
    ),
)
