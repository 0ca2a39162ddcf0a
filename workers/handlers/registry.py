"""Binds handlers to request types: a module's import registers what it decorates.

    @handles(v16.HeartbeatRequest, late="drop")
    def heartbeat(draft: Draft, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse: ...

A handler translates: it calls a service with plain values and returns the response. It raises `OcppError` for a
CALLERROR; then nothing that it wrote into the draft is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, TypeVar

import msgspec

from shared.ocpp.frames import Call
from shared.ocpp.messages import Request, Response
from workers.store.draft import Draft
from workers.store.wants import Want

R = TypeVar("R", bound=Response)
Run = Callable[[Draft, Any], Response]
Prefetch = Callable[[str, Any], Iterable[Want]]
"""(station id, request) -> what its decision will look at; a guess that saves a round, never needed for the result."""
Fallback = Callable[[Draft, Call], Response]
"""(draft, the frame) -> the answer to a frame that could not be understood."""
Late = Literal["run", "keep", "drop"]


class Handler(msgspec.Struct, frozen=True, gc=False):
    """What dispatch knows of a handler."""

    request: type[Request[Any]]
    run: Run
    wants: Prefetch | None = None
    unreadable: Fallback | None = None
    """Answers frames that cannot be understood, or whose handler failed; for messages that must not get a CALLERROR."""
    late: Late = "run"
    """What an entry of an older epoch does: the handler runs (`draft.late`), its payload goes to the station's history
    only, or nothing. The answer is never sent."""
    once: bool = False
    """The same CALL again on one connection gets the kept answer: the action has neither business key nor idempotent
    effect (docs/architecture.md)."""
    unaccepted: bool = False
    """Served before the station is accepted; others get SecurityError (OCPP-J 1.6 errata 3.8), messages with
    `unreadable` excepted: they are always taken."""


HANDLERS: Final[dict[type[Request[Any]], Handler]] = {}
"""Every registered handler by its request type."""


def handles(
    request: type[Request[R]],
    *,
    wants: Prefetch | None = None,
    unreadable: Fallback | None = None,
    late: Late = "run",
    once: bool = False,
    unaccepted: bool = False,
) -> Callable[[Callable[[Draft, Any], R]], Callable[[Draft, Any], R]]:
    """Register the decorated function as the handler of `request`; see `Handler` for the options.

    Raises ValueError where the request type has a handler already.
    """

    def register(run: Callable[[Draft, Any], R]) -> Callable[[Draft, Any], R]:
        if request in HANDLERS and HANDLERS[request].run.__module__ != run.__module__:
            raise ValueError(f"{request.action} has a handler in {HANDLERS[request].run.__module__} already")
        HANDLERS[request] = Handler(request, run, wants, unreadable, late, once, unaccepted)
        return run

    return register


def empty_answer(response: type[R]) -> Fallback:
    """Return a fallback that answers with `response` without any field."""

    def answer(_draft: Draft, _frame: Call) -> R:
        return response()

    return answer
