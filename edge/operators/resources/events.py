"""The live event feed as server-sent events (WHATWG HTML, 9.2).

    id: 1767225600000-3.0             the position in the stream, what Last-Event-ID resumes from
    event: transaction.started
    data: {"id": "CP1:1767225599000:17:0", "type": "transaction.started", ...}

Each event is delivered at least once; its own `id` is the same on redelivery. `event: gap` says that events between the
given position and the next event are gone. A comment comes at least every 15 s.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import hiredis
import msgspec
from aiohttp import web
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.eventdata import FeedEvent
from edge.operators.feed import Following
from edge.operators.models.base import StationId
from edge.operators.problems import ProblemError
from edge.operators.routes import Table
from shared.bus.lane import LaneLost
from shared.logs import get_logger
from shared.records.events import EVENT_TYPES
from shared.records.queries.events import EventPosition

TABLE: Final = Table("events")
_route = TABLE.route
log = get_logger("feed")

KEEP_ALIVE_S: Final = 15.0
WRITE_TIMEOUT_S: Final = 30.0
"""A listener that takes nothing for so long is let go; it resumes from where it was."""
MAX_LISTENERS: Final = 500
LISTENERS: Final[web.AppKey[set[web.StreamResponse]]] = web.AppKey("listeners", set)
MEDIA_TYPE: Final = "text/event-stream"


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events, and from where."""

    type: Annotated[
        str, Meta(max_length=1024, description="Types, comma separated; `transaction.*` means all that begin so.")
    ] = ""
    station_id: StationId | None = None
    after: Annotated[
        str,
        Meta(max_length=64, description="Position to resume from (the header Last-Event-ID wins); `0`: the oldest."),
    ] = ""


@_route("GET", "/events", "Follow events", scope="read", params=EventFilter, media=(MEDIA_TYPE,))
async def follow_events(call: Call[EventFilter, None]) -> web.StreamResponse:
    """Send events as they happen, from now on or from a position on, until the client leaves."""
    wanted = _types(call.params.type)
    position = await _begin(call)
    listeners = call.request.app[LISTENERS]
    if len(listeners) >= MAX_LISTENERS:
        raise ProblemError("unavailable", f"{MAX_LISTENERS} listeners are here already", headers={"Retry-After": "10"})
    response = web.StreamResponse(
        headers={
            "Content-Type": MEDIA_TYPE,
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "X-Request-Id": call.id,
        }
    )
    await response.prepare(call.request)
    listeners.add(response)
    try:
        await _send(call, response, position, wanted)
    except (ConnectionError, TimeoutError, LaneLost, hiredis.ReplyError, ProblemError) as error:
        # Begun already: all that is left is to end it, and the client comes back with its position.
        log.debug("listener gone", request_id=call.id, reason=type(error).__name__)
    finally:
        listeners.discard(response)
    return response


async def _begin(call: Call[EventFilter, None]) -> EventPosition:
    header = call.request.headers.get("Last-Event-ID", "")
    text = header or call.params.after
    if not text:
        return await call.parts.feed.now()
    try:
        return EventPosition.parse(text)
    except ValueError as error:
        if header:
            raise ProblemError.of_field("bad_parameter", "header", "Last-Event-ID", str(error)) from None
        raise ProblemError.of_field("bad_parameter", "query", "after", str(error)) from None


def _types(text: str) -> frozenset[str]:
    """Return the event types that are asked for; all where none is."""
    wanted: set[str] = set()
    for name in (part.strip() for part in text.split(",") if part.strip()):
        group = name[:-1] if name.endswith(".*") else None
        found = {known for known in EVENT_TYPES if known == name or (group and known.startswith(group))}
        if not found:
            message = f"has no event type {name[:64]!r}; there are: {', '.join(EVENT_TYPES)}"
            raise ProblemError.of_field("bad_parameter", "query", "type", message)
        wanted |= found
    return frozenset(wanted)


async def _send(
    call: Call[EventFilter, None], response: web.StreamResponse, position: EventPosition, types: frozenset[str]
) -> None:
    feed, station_id = call.parts.feed, call.params.station_id
    clock = asyncio.get_running_loop().time
    told, written = position, clock()
    await _write(response, b"retry: 2000\n: welcome\n\n")
    while not feed.closed:
        found = await feed.following(position, max(written + KEEP_ALIVE_S - clock(), 0.01))
        before, position = position, found.position
        wanted = [
            event
            for event in found.events
            if (not types or event.type in types) and (station_id is None or event.station_id == station_id)
        ]
        if wanted or found.gap:
            await _write(response, _text(wanted, before, found))
            told, written = wanted[-1].position if wanted else told, clock()
        elif clock() - written >= KEEP_ALIVE_S:
            # An id without data moves the client's position past what it did not ask for, and tells it nothing.
            moved = f"id: {position}\n" if position.entry > told.entry else ""
            await _write(response, f": keep-alive\n{moved}\n".encode())
            told, written = position, clock()
            await call.parts.access.check(call.request, "read")


def _text(wanted: list[FeedEvent], position: EventPosition, found: Following) -> bytes:
    parts: list[bytes] = []
    if found.gap:
        first = str(found.events[0].position) if found.events else None
        body = msgspec.json.encode({"type": "gap", "after": str(position), "first": first})
        parts.append(b"event: gap\ndata: " + body + b"\n\n")
    parts += [
        b"id: %s\nevent: %s\ndata: %s\n\n" % (str(event.position).encode(), event.type.encode(), event.data)
        for event in wanted
    ]
    return b"".join(parts)


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await response.write(data)
