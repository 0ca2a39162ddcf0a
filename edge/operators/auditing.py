"""Changes pass through here: who asks, what is asked and what becomes of it stand in the audit log before the answer.

`serving.endpoint` builds the handler of every route that is no GET from `Trail`, so a new one can't go around it.

    who asks is known  → else 401 or 429: counted, and a security event; nobody is there to be named
    refused at once    (403, a wrong parameter or body)  one entry, then the answer
    begun              durable before the handler runs: without it nothing is changed (503)
    ended              durable before the answer: status, kind of problem, id of what was made

A process that dies in between leaves a `begun` alone, and the list shows it: nobody knows what became of that.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import hiredis
import msgspec
from aiohttp import web

from edge.operators.masking import Masker
from edge.operators.problems import ProblemError, of_http
from shared import metrics
from shared.bus.lane import Lane, LaneLost
from shared.credentials import load_pepper
from shared.records.audit import Actor, Entry
from shared.records.queries.audit import AuditLog

if TYPE_CHECKING:
    from edge.operators.routes import Route

AUDITED: Final = web.RequestKey("audited", dict)
"""Place and hash of the last entry of this request, for its log line: a witness outside of Redis."""
_IDS: Final = ("id", "command_id", "job_id", "request_id", "name")


class Auditor:
    """What all trails of a listener share."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self.log = AuditLog(lane)
        self._masker: Masker | None = None

    async def masker(self) -> Masker:
        """Return what masks; the pepper is read once."""
        if self._masker is None:
            self._masker = Masker(await load_pepper(self._lane))
        return self._masker


class Trail:
    """The entries of one request."""

    def __init__(self, auditor: Auditor, route: Route, request: web.Request, call_id: str, address: str) -> None:
        self._auditor = auditor
        self._request = request
        self._masker: Masker | None = None
        self._entry = Entry(
            seq=0,
            at=0,
            phase="begun",
            action=getattr(route.handler, "__name__", route.summary),
            who=Actor(kind="system", name=""),
            method=route.method,
            route=route.path,
            address=address,
            request_id=call_id,
        )
        self._begun = ""

    async def open(self, who: Actor) -> None:
        """Take in who asks, and the path."""
        self._masker = await self._auditor.masker()
        target = self._masker.target(dict(self._request.match_info))
        self._entry = msgspec.structs.replace(self._entry, who=who, target=target)

    async def refused(self, error: Exception) -> None:
        """Write that the request was turned away before anything was done."""
        await self._write(phase="refused", **_failure(error))

    async def begin(self, params: Any, body: Any) -> None:
        """Write what is about to be done; raises what the log raises, and then nothing must be done."""
        assert self._masker is not None, "opened"
        given = {name: one for name, one in (("query", _query(params, self._request)), ("body", body)) if one}
        self._entry = msgspec.structs.replace(self._entry, details=self._masker.details(given) if given else None)
        self._begun = await self._write(phase="begun")

    async def ended(self, response: web.StreamResponse, result: Any, notes: dict[str, Any]) -> None:
        """Write that it was done."""
        details = self._entry.details
        if notes:
            details = {**(details or {}), "noted": notes}
        try:
            await self._write(
                phase="ended", status=response.status, result=_subject(result), begun=self._begun, details=details
            )
        except (LaneLost, hiredis.ReplyError):
            raise ProblemError(
                "unavailable", "it was done, but its end could not be written into the audit log; see what came of it"
            ) from None

    async def failed(self, error: Exception) -> None:
        """Write that it was not done, or that nobody knows; where that can't be written, its beginning says as much."""
        with contextlib.suppress(LaneLost, hiredis.ReplyError):
            await self._write(phase="ended", begun=self._begun, **_failure(error))

    async def _write(self, **fields: Any) -> str:
        entry, digest = await self._auditor.log.append(msgspec.structs.replace(self._entry, **fields))
        if entry.phase != "begun":
            metrics.AUDIT_ENTRIES.labels(entry.outcome).inc()
        self._request[AUDITED] = {"audit": entry.seq, "audit_hash": digest}
        return entry.id


def _failure(error: Exception) -> dict[str, Any]:
    if isinstance(error, web.HTTPException):
        error = of_http(error)
    if isinstance(error, ProblemError):
        return {"status": error.status, "problem": error.kind}
    # Where Redis failed, what was sent may have been carried out.
    unknown = isinstance(error, (LaneLost, hiredis.ReplyError))
    return {"status": 503 if unknown else 500, "problem": type(error).__name__}


def _query(params: Any, request: web.Request) -> dict[str, Any]:
    """Return the query's parameters that were given."""
    given = {name: value for name, value in msgspec.structs.asdict(params).items() if name not in request.match_info}
    return {name: value for name, value in given.items() if name in request.query}


def _subject(result: Any) -> str:
    """Return the id of what was made or changed, where the answer has one."""
    value = getattr(result, "value", result)
    found = next((getattr(value, name) for name in _IDS if isinstance(getattr(value, name, None), str)), "")
    return str(found)[:100]
