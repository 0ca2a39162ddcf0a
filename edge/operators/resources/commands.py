"""Commands: sent to a station, listed over the fleet, shown, cancelled; and a station's history."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Cursor, Limit, Page, StationId
from edge.operators.models.other import Command, Fact
from edge.operators.problems import ProblemError, missing
from edge.operators.resources import sending
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.lists import STREAM_ID, member, page, position, shown
from edge.operators.resources.stations import StationPath, known
from edge.operators.routes import Table
from edge.operators.serving import Answer
from shared.records.commands import TERMINAL, CommandRecord, CommandState
from shared.records.queries import commands
from shared.records.queries.commands import CommandFilter
from shared.records.requests import CancelCommand, SendCommand

TABLE: Final = Table("commands")
_route = TABLE.route

MAX_WAIT_S: Final = 60.0
MAX_EXPIRY_S: Final = 30 * 24 * 3600
_WAIT: Final = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?)(ms|s|m)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0}
CommandId = Annotated[str, Meta(min_length=1, max_length=64)]
Action = Annotated[str, Meta(max_length=64, description="As the standard spells it, e.g. `Reset`.")]


class NewCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A CALL to be sent to a station: the action and its payload, as the standard has them."""

    action: Action
    payload: dict[str, Any] = {}
    expires_in_s: Annotated[int, Meta(ge=1, le=MAX_EXPIRY_S, description="Not sent after so long.")] = 7 * 24 * 3600


class Sending(StationPath, frozen=True, kw_only=True):
    """To which station, and whether to wait for its answer."""

    wait: Annotated[
        str,
        Meta(max_length=16, description="E.g. `10s`, up to `60s`: answer with the outcome (200) if it comes so soon."),
    ] = ""


class CommandPath(msgspec.Struct, frozen=True, kw_only=True):
    """One command."""

    command_id: CommandId


class StationCommandPath(StationPath, frozen=True, kw_only=True):
    """One command of a station."""

    command_id: CommandId


class CommandList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    station_id: StationId | None = None
    state: CommandState | None = None
    action: Action = ""
    limit: Limit = 100
    cursor: Cursor | None = None

    @property
    def filter(self) -> CommandFilter:
        """The filter of the query."""
        return CommandFilter(station_id=self.station_id or "", state=self.state, action=self.action)


class HistoryOptions(StationPath, frozen=True, kw_only=True):
    """Whose history, and how much of it."""

    limit: Limit = 100
    cursor: Cursor | None = None


@_route(
    "POST", "/stations/{station_id}/commands", "Send a command", scope="operate", params=Sending, body=NewCommand,
    response=Command, status=202, also=(200,), errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def send_command(call: Call[Sending, NewCommand]) -> Answer:
    """Queue a command, durably: it goes out in its turn, or when the station is back. 200: it has ended."""
    station_id, body = call.params.station_id, call.body
    wait_s = wait_of(call.params.wait)
    station = await known(call, station_id)
    payload = sending.checked(sending.version_of(station), body.action, body.payload)
    sending.check_place(call.parts.settings, body.action, body.payload)
    asked = SendCommand(
        request_id=request_id(call),
        by=call.token.name,
        action=body.action,
        payload=payload,
        expires_in_ms=body.expires_in_s * 1000,
    )
    since = await call.parts.feed.now() if wait_s else None
    record = sending.record_of((await ask(call, station_id, asked)).body)
    if since is not None:
        record = await sending.outcome(call, record, since, wait_s)
    return Answer(Command.of(record), 200 if record.state in TERMINAL else 202)


@_route("GET", "/commands", "List commands", scope="read", params=CommandList, response=Page[Command])
async def list_commands(call: Call[CommandList, None]) -> Page[Command]:
    """Return commands of all stations, in whatever state, the newest first, with the filters that are set."""
    wanted, query = call.params.filter, ("commands", call.params.filter)
    found, after = await commands.page(call.lane, wanted, position(call.params.cursor, *query), call.params.limit)
    return page(await shown(found, Command.of), after, *query)


@_route(
    "GET", "/commands/{command_id}", "Show a command", scope="read", params=CommandPath, response=Command,
    errors=("not_found",),
)  # fmt: skip
async def show_command(call: Call[CommandPath, None]) -> Command:
    """Return a command in whatever state, as long as it is kept."""
    return Command.of(await _found(call))


@_route(
    "DELETE", "/commands/{command_id}", "Cancel a command", scope="operate", params=CommandPath, response=Command,
    errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def cancel_command(call: Call[CommandPath, None]) -> Command:
    """Cancel a command that was not sent. 409 where it was, or has ended."""
    found = await _found(call)
    asked = CancelCommand(request_id=request_id(call), by=call.token.name, command_id=found.command_id)
    return Command.of(sending.record_of((await ask(call, found.station_id, asked)).body))


@_route(
    "GET", "/stations/{station_id}/commands", "List a station's pending commands", scope="read", params=StationPath,
    response=Page[Command], errors=("not_found",),
)  # fmt: skip
async def list_pending(call: Call[StationPath, None]) -> Page[Command]:
    """Return the command that waits for its answer, then those that are queued."""
    await known(call, call.params.station_id)
    return Page([Command.of(one) for one in await commands.pending(call.lane, call.params.station_id)], None)


@_route(
    "GET", "/stations/{station_id}/commands/{command_id}", "Show a station's command", scope="read",
    params=StationCommandPath, response=Command, errors=("not_found",),
)  # fmt: skip
async def show_station_command(call: Call[StationCommandPath, None]) -> Command:
    """Return a command of this station in whatever state, as long as it is kept."""
    found = await commands.command(call.lane, call.params.station_id, call.params.command_id)
    if found is None:
        raise missing("command", call.params.command_id)
    return Command.of(found)


@_route(
    "GET", "/stations/{station_id}/history", "List a station's history", scope="read", params=HistoryOptions,
    response=Page[Fact], errors=("not_found",),
)  # fmt: skip
async def list_history(call: Call[HistoryOptions, None]) -> Page[Fact]:
    """Return what a station reported beside its present state, newest first: statuses, security events, late facts."""
    params = call.params
    await known(call, params.station_id)
    query = ("history", params.station_id)
    after = member(params.cursor, *query, shape=STREAM_ID)
    found, after = await commands.history(call.lane, params.station_id, after, params.limit)
    return page(await shown(found, Fact.of), after, *query)


async def _found(call: Call[CommandPath, None]) -> CommandRecord:
    found = await commands.find(call.lane, call.params.command_id)
    if found is None:
        raise missing("command", call.params.command_id)
    return found


def wait_of(text: str) -> float:
    """Return how long (s) the caller wants to wait; 0: not at all."""
    if not text:
        return 0.0
    shape = _WAIT.fullmatch(text)
    wait_s = float(shape[1]) * _UNITS[shape[2]] if shape else MAX_WAIT_S + 1
    if wait_s > MAX_WAIT_S:
        message = f"must be a time such as `10s`, of {MAX_WAIT_S:.0f} s at most"
        raise ProblemError.of_field("bad_parameter", "query", "wait", message)
    return wait_s
