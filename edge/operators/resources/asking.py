"""How a change of a station is asked for: as an entry on its uplink, answered by the worker that committed it."""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

import msgspec

from edge.operators.call import Call
from edge.operators.problems import KINDS, ProblemError
from shared.envelopes import Reply
from shared.records.requests import Request

TIMEOUT_S: Final = 10.0
_KEY: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
_BY_STATUS: Final = {404: "not_found", 409: "conflict", 422: "bad_body", 503: "unavailable"}


class _Told(msgspec.Struct):
    """What a worker's problem document says."""

    detail: str = ""


def request_id(call: Call[Any, Any]) -> str:
    """Return the id of the change: the header Idempotency-Key, or a fresh one. The same id is carried out once."""
    given = call.request.headers.get("Idempotency-Key")
    if given is None:
        return secrets.token_hex(12)
    if not _KEY.fullmatch(given):
        raise ProblemError.of_field(
            "bad_parameter", "header", "Idempotency-Key", "must be 8 to 64 letters, digits, `.`, `_` or `-`"
        )
    return given


async def ask(call: Call[Any, Any], station_id: str, request: Request) -> Reply:
    """Have a change carried out and return the reply; raises `ProblemError` where it was refused or nobody knows."""
    try:
        reply = await call.parts.node.request(station_id, request, TIMEOUT_S)
    except TimeoutError:
        raise ProblemError(
            "outcome_unknown",
            f"no worker answered within {TIMEOUT_S:.0f} s. The change may still happen. Repeat it with the header "
            f"`Idempotency-Key: {request.request_id}`: it is carried out once",
            headers={"Idempotency-Key": request.request_id},
        ) from None
    if reply.status < 400:
        return reply
    kind = _BY_STATUS.get(reply.status, "internal" if reply.status >= 500 else "refused")
    raise ProblemError(kind, _detail(reply) or KINDS[kind].title, status=reply.status)


def _detail(reply: Reply) -> str:
    try:
        return msgspec.json.decode(reply.body, type=_Told).detail
    except msgspec.MsgspecError:
        return ""
