"""How a station says no: with the refusing status of the answer that an action has, or with a CALLERROR."""

from __future__ import annotations

import types
import typing
from enum import StrEnum
from functools import cache
from typing import Any, Final

import msgspec

from shared.ocpp.errors import OcppError, read_code
from shared.ocpp.messages import Request, Response
from shared.ocpp.v16 import FROM_CSMS, REQUESTS

_NO: Final = ("Rejected", "Failed", "UnlockFailed", "Unknown", "NotFound")
"""What the statuses that refuse are called, the usual first."""


def refuse(request: Request[Any], how: str) -> Response | None:
    """Return the answer that refuses, None where the answer has no status; raises `OcppError` for a CALLERROR."""
    members = _statuses(type(request))
    if how in members:
        return request.response(status=members[how])
    if how == _NO[0]:
        word = next((word for word in _NO if word in members), None)
        return None if word is None else request.response(status=members[word])
    raise OcppError("refused by this station", code=read_code(how))


@cache
def _statuses(kind: type[Request[Any]]) -> dict[str, StrEnum]:
    """Return the statuses of an action's answer by their spelling."""
    found = next((field.type for field in msgspec.structs.fields(kind.response) if field.name == "status"), None)
    kinds = typing.get_args(found) if isinstance(found, types.UnionType) else (found,)
    enum = next((one for one in kinds if isinstance(one, type) and issubclass(one, StrEnum)), None)
    return {} if enum is None else {member.value: member for member in enum}


def check(refuses: typing.Mapping[str, str]) -> None:
    """Raise ValueError for an action, or a way to refuse it, that does not exist."""
    for action, how in refuses.items():
        if action != "*" and action not in FROM_CSMS:
            raise ValueError(f"refuses: {action} is no message to a station")
        members = {_NO[0]: None} if action == "*" else _statuses(REQUESTS[action])
        usual = how == _NO[0] and any(word in members for word in _NO)
        if not usual and how not in members and read_code(how) is None:
            raise ValueError(f"refuses: {action} has no answer {how}")
