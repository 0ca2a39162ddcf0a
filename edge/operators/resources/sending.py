"""A command on its way: its payload is checked here, at once; its outcome is what the event feed tells of it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import hiredis
import msgspec

from edge.operators.call import Call
from edge.operators.eventdata import FeedEvent
from edge.operators.problems import ProblemError
from edge.transfers import places
from shared.bus.lane import LaneLost
from shared.ocpp import payloads
from shared.ocpp.actions import actions_of
from shared.ocpp.paths import allowed
from shared.ocpp.payloads import PayloadError
from shared.ocpp.versions import OCPP16, VERSIONS, Version
from shared.records.commands import TERMINAL, CommandRecord
from shared.records.queries import commands
from shared.records.queries.events import EventPosition
from shared.records.queries.stations import StationNow
from shared.settings import Settings

LOOK_S: Final = 2.0
"""The feed tells at once; where it lost an event (a gap, a lost Redis), the record itself is looked at so often."""
_EVENT: Final = "command.changed"
_decode = msgspec.json.Decoder(CommandRecord).decode


class _Change(msgspec.Struct):
    command_id: str = ""
    state: str = ""


_decode_change = msgspec.json.Decoder(_Change).decode


def version_of(station: StationNow) -> Version:
    """Return the version that a station speaks; 1.6 for one that never dialled in."""
    return VERSIONS.get(station.session.subprotocol or station.door.subprotocol or "", OCPP16)


def checked(version: Version, action: str, payload: dict[str, Any]) -> str:
    """Return the payload as it goes on the wire; raises `ProblemError` 422 that names the wrong field."""
    actions = actions_of(version)
    if action not in actions.from_csms:
        known = ", ".join(sorted(actions.from_csms))
        message = f"is nothing that a station is sent in OCPP {version.name}; there are: {known}"
        raise ProblemError.of_field("bad_body", "body", "action", message)
    request = actions.requests[action]
    raw = payloads.encode(payload)
    try:
        payloads.strict(actions.strict.get(request, request), raw)  # type: ignore[type-var]
    except PayloadError as error:
        name = f"payload.{error.field}" if error.field else "payload"
        problem = str(error).removeprefix(f"{error.field}: ")
        if "allowed values" in problem and (words := allowed(request, error.field)):
            problem = f"it is one of {', '.join(words)}"
        raise ProblemError.of_field("bad_body", "body", name[:200], f"is wrong for {action}: {problem}") from None
    return raw.decode()


def check_place(settings: Settings, action: str, payload: dict[str, Any]) -> None:
    """Raise `ProblemError` 422 where a command would send a station for a file to a place that is not allowed."""
    field, location = places.location_of(action, payload)
    if field and (why := places.wrong(settings, location)):
        raise ProblemError.of_field("bad_body", "body", f"payload.{field}", why)


def record_of(body: bytes) -> CommandRecord:
    """Return the record that a worker's reply holds."""
    return _decode(body)


async def outcome(call: Call[Any, Any], sent: CommandRecord, since: EventPosition, wait_s: float) -> CommandRecord:
    """Return the command's record once it has ended, or as it was last seen: after `wait_s`, or where Redis is lost.

    `since` is a position of the feed before the command was queued. It is queued durably, so the wait fails nothing.
    """
    try:
        return await _outcome(call, sent, since, wait_s)
    except (LaneLost, hiredis.ReplyError):
        return sent


async def _outcome(call: Call[Any, Any], sent: CommandRecord, since: EventPosition, wait_s: float) -> CommandRecord:
    feed, record, changed = call.parts.feed, sent, False
    clock = asyncio.get_running_loop().time
    until = clock() + wait_s
    position = since
    while not feed.closed and record.state not in TERMINAL and (left := until - clock()) > 0:
        found = await feed.following(position, min(left, LOOK_S))
        position = found.position
        states = [_state_of(event, sent) for event in found.events]
        changed = changed or any(states)
        if not TERMINAL.isdisjoint(states) or found.gap or not found.events:
            record, changed = await commands.command(call.lane, sent.station_id, sent.command_id) or record, False
    if changed:
        # It went out, and did not come back in time.
        record = await commands.command(call.lane, sent.station_id, sent.command_id) or record
    return record


def _state_of(event: FeedEvent, sent: CommandRecord) -> str:
    """Return the state that an event tells of this command; empty for any other event."""
    if event.type != _EVENT or event.station_id != sent.station_id:
        return ""
    told = _decode_change(event.data)
    return told.state if told.command_id == sent.command_id else ""
