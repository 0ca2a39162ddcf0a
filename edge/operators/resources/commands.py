"""Commands of a station, and its history; read only."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Cursor, Limit, Page, StationId
from edge.operators.models.other import Command, Fact
from edge.operators.problems import missing
from edge.operators.resources.lists import STREAM_ID, member, page, shown
from edge.operators.resources.stations import StationPath, known
from edge.operators.routes import Table
from shared.records.queries import commands

TABLE: Final = Table("commands")
_route = TABLE.route


class CommandPath(msgspec.Struct, frozen=True, kw_only=True):
    """One command."""

    station_id: StationId
    command_id: Annotated[str, Meta(min_length=1, max_length=64)]


class HistoryOptions(StationPath, frozen=True, kw_only=True):
    """Whose history, and how much of it."""

    limit: Limit = 100
    cursor: Cursor | None = None


@_route(
    "GET", "/stations/{station_id}/commands", "List a station's pending commands", scope="read", params=StationPath,
    response=Page[Command], errors=("not_found",),
)  # fmt: skip
async def list_commands(call: Call[StationPath, None]) -> Page[Command]:
    """Return the command that waits for its answer, then those that are queued."""
    await known(call, call.params.station_id)
    return Page([Command.of(one) for one in await commands.pending(call.lane, call.params.station_id)], None)


@_route(
    "GET", "/stations/{station_id}/commands/{command_id}", "Show a command", scope="read", params=CommandPath,
    response=Command, errors=("not_found",),
)  # fmt: skip
async def show_command(call: Call[CommandPath, None]) -> Command:
    """Return a command in whatever state, as long as it is kept."""
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
