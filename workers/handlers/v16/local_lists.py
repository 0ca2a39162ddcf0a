"""SendLocalList and GetLocalListVersion in the words of 1.6 (§5.10, §5.15, §7.1, §7.47)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec

from shared.ocpp.v16.enums import UpdateStatus, UpdateType
from shared.ocpp.v16.messages import GetLocalListVersionRequest, SendLocalListRequest
from shared.ocpp.versions import OCPP16
from shared.records.commands import CommandRecord
from shared.records.local_lists import without_tags
from shared.records.transactions import TagAnswer
from workers.services import commands
from workers.services.local_lists.running import ORIGIN
from workers.services.local_lists.words import Entry, Message, Result, Words, speaks

from .authorize import info

_RESULTS: Final[dict[str, Result]] = {
    UpdateStatus.ACCEPTED.lower(): "accepted",
    UpdateStatus.FAILED.lower(): "failed",
    UpdateStatus.VERSION_MISMATCH.lower(): "mismatch",
    UpdateStatus.NOT_SUPPORTED.lower(): "unsupported",
}
_UNKNOWN: Final = ("NotImplemented", "NotSupported")
_LOST: Final = frozenset({"timed_out", "expired", "cancelled"})


class _Kept(msgspec.Struct, rename="camel"):
    """What is kept of a message: its list is passed over when it is read, and written empty."""

    list_version: int
    update_type: str
    local_authorization_list: msgspec.Raw = msgspec.Raw(b"")

    def emptied(self) -> dict[str, Any]:
        return {"listVersion": self.list_version, "updateType": self.update_type, "localAuthorizationList": []}


_decode: Final = msgspec.json.Decoder(_Kept).decode


def _ask() -> Message:
    return GetLocalListVersionRequest.action, {}


def _number(response: Any) -> int | None:
    found = response.get("listVersion") if isinstance(response, dict) else None
    if isinstance(found, str) and found.lstrip("-").isdecimal() and len(found) < 12:
        found = int(found)
    return found if type(found) is int and -1 <= found < 2**31 else None


def _send(number: int, full: bool, entries: Iterable[Entry]) -> Message:
    kind = UpdateType.FULL if full else UpdateType.DIFFERENTIAL
    wire = [_entry(id_tag, answer) for id_tag, answer in entries]
    payload: dict[str, Any] = {"listVersion": number, "updateType": kind.value}
    if wire:
        payload["localAuthorizationList"] = wire
    return SendLocalListRequest.action, payload


def _entry(id_tag: str, answer: TagAnswer | None) -> dict[str, Any]:
    return {"idTag": id_tag} if answer is None else {"idTag": id_tag, "idTagInfo": _info(answer)}


@lru_cache(maxsize=4096)
def _info(answer: TagAnswer) -> dict[str, Any]:
    """Return an IdTagInfo; most tags of a list have one of a few."""
    found: dict[str, Any] = msgspec.to_builtins(info(answer))
    return found


def _result(command: CommandRecord) -> Result:
    """A CALLERROR is a refusal, but for one that says that the station has no such message."""
    if command.state in _LOST:
        return "lost"
    if command.error:
        return "unsupported" if command.error.startswith(_UNKNOWN) else "failed"
    status = command.response.get("status") if isinstance(command.response, dict) else None
    if command.action == GetLocalListVersionRequest.action:
        return "accepted"
    return _RESULTS.get(str(status).lower(), "failed")


def _said(command: CommandRecord) -> str:
    status = command.response.get("status") if isinstance(command.response, dict) else None
    return str(status)[:50] if isinstance(status, str) else command.error[:100] or command.state


@commands.sheds(SendLocalListRequest.action)
def _shed(command: CommandRecord) -> str:
    """Keep no tags; of what Ampstream sent only the number: a fleet's lists would fill the history."""
    if command.origin != ORIGIN:
        return without_tags(command.payload)
    return msgspec.json.encode(_decode(command.payload).emptied()).decode()


speaks(
    OCPP16.subprotocol,
    Words(
        ask=_ask,
        number=_number,
        send=_send,
        result=_result,
        said=_said,
        most_at_once="SendLocalListMaxLength",
        most="LocalAuthListMaxLength",
        profile="LocalAuthListManagement",
    ),
)
