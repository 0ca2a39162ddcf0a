"""Local authorization lists: how stations hold them, wanted and held, and bringing one in step."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.authorization import StationList
from edge.operators.models.base import Accepted, Cursor, Limit, Page
from edge.operators.problems import missing
from edge.operators.resources import writing
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.authorization import PolicyPath
from edge.operators.resources.lists import member, page, shown
from edge.operators.resources.stations import StationPath, known
from edge.operators.routes import Table
from shared.records.local_lists import ListState
from shared.records.queries import authorization as policies
from shared.records.requests import SyncLocalList

TABLE: Final = Table("local_lists")
_route = TABLE.route


class PolicyStations(PolicyPath, frozen=True, kw_only=True):
    """Whose stations, and which of them."""

    state: ListState | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class Sync(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a list is brought in step."""

    full: Annotated[bool, Meta(description="Send it whole, whatever the station says that it has.")] = False


class _Said(msgspec.Struct):
    detail: str = ""


@_route(
    "GET", "/authorization/policies/{name}/stations", "List the stations of a local list", scope="read",
    params=PolicyStations, response=Page[StationList], errors=("not_found",),
)  # fmt: skip
async def list_list_stations(call: Call[PolicyStations, None]) -> Page[StationList]:
    """Return stations that the policy's list is wanted of: the version wanted, the one held, and since when."""
    params = call.params
    await writing.known(call.lane, policies.REGISTER, params.name)
    query = ("local lists", params.name, params.state)
    begin = member(params.cursor, *query, shape=re.compile(re.escape(params.name) + "/.+", re.DOTALL))
    found, after = await policies.stations(call.lane, params.name, params.state, begin, params.limit)
    return page(await shown(found, StationList.of), after, *query)


@_route(
    "GET", "/stations/{station_id}/local-list", "Show a station's local list", scope="read", params=StationPath,
    response=StationList, errors=("not_found",),
)  # fmt: skip
async def show_local_list(call: Call[StationPath, None]) -> StationList:
    """Return which version of which list is wanted of the station, which it holds, and since when; never its tags."""
    found = await policies.station(call.lane, call.params.station_id)
    if found is None:
        raise missing("station", call.params.station_id)
    return StationList.of(found)


@_route(
    "POST", "/stations/{station_id}/local-list/sync", "Bring a station's local list in step", scope="operate",
    params=StationPath, body=Sync, response=Accepted, status=202, errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def sync_local_list(call: Call[StationPath, Sync]) -> Accepted:
    """Ask the station what it has, now or when it is back, and send what it lacks. 409 where no list is wanted."""
    station_id = call.params.station_id
    await known(call, station_id)
    asked = SyncLocalList(request_id=request_id(call), by=call.token.name, full=call.body.full)
    reply = await ask(call, station_id, asked)
    detail = msgspec.json.decode(reply.body, type=_Said).detail
    return Accepted(request_id=asked.request_id, detail=detail or "it is asked what it has, and sent what it lacks")
