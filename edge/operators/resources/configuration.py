"""A station's configuration: the last snapshot, a read now, the history, the difference of two versions."""

from __future__ import annotations

import re
from typing import Annotated, Final

from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Accepted, Cursor, Limit, Page
from edge.operators.models.configuration import Change, Configuration, Difference, Version
from edge.operators.problems import ProblemError
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.lists import member, page, shown
from edge.operators.resources.stations import StationPath, known
from edge.operators.routes import Table
from shared.bus.clock import now_ms
from shared.records.queries import configuration
from shared.records.requests import ReadConfiguration

TABLE: Final = Table("configuration")
_route = TABLE.route

_NUMBER: Final = re.compile(r"[0-9]{1,9}")
VersionNumber = Annotated[int, Meta(ge=0, le=999_999_999)]


class VersionList(StationPath, frozen=True, kw_only=True):
    """Whose history, and how much of it."""

    limit: Limit = 100
    cursor: Cursor | None = None


class Versions(StationPath, frozen=True, kw_only=True, rename={"older": "from", "newer": "to"}):
    """Which versions to compare."""

    older: Annotated[VersionNumber, Meta(description="0: the one before `to`.")] = 0
    newer: Annotated[VersionNumber, Meta(description="0: the last one.")] = 0


@_route(
    "GET", "/stations/{station_id}/configuration", "Show a station's configuration", scope="read", params=StationPath,
    response=Configuration, errors=("not_found",),
)  # fmt: skip
async def show_configuration(call: Call[StationPath, None]) -> Configuration:
    """Return the keys as they were last read, how old that is, and what is under way. Secrets are masked."""
    station_id = call.params.station_id
    station = await known(call, station_id)
    found = await configuration.configuration(call.lane, station_id)
    return Configuration.of(station_id, found, await now_ms(call.lane), station.station.firmware)


@_route(
    "POST", "/stations/{station_id}/configuration/read", "Read a station's configuration", scope="operate",
    params=StationPath, response=Accepted, status=202, errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def read_configuration(call: Call[StationPath, None]) -> Accepted:
    """Have it read now, or when the station is back. 409 where its model may not be asked, or it never connected."""
    asked = ReadConfiguration(request_id=request_id(call), by=call.token.name)
    await ask(call, call.params.station_id, asked)
    return Accepted(request_id=asked.request_id, detail="it is asked; the event `configuration.read` tells the end")


@_route(
    "GET", "/stations/{station_id}/configuration/history", "List a station's configurations", scope="read",
    params=VersionList, response=Page[Version], errors=("not_found",),
)  # fmt: skip
async def list_versions(call: Call[VersionList, None]) -> Page[Version]:
    """Return the versions of a station's configuration, the newest first, each with what made it out of the last."""
    params = call.params
    await known(call, params.station_id)
    query = ("configurations", params.station_id)
    after = int(member(params.cursor, *query, shape=_NUMBER) or 0)
    found, following = await configuration.history(call.lane, params.station_id, after, params.limit)
    return page(await shown(found, Version.of), str(following) if following else "", *query)


@_route(
    "GET", "/stations/{station_id}/configuration/diff", "Compare two configurations of a station", scope="read",
    params=Versions, response=Difference, errors=("not_found",),
)  # fmt: skip
async def compare_versions(call: Call[Versions, None]) -> Difference:
    """Return what makes the version `to` out of the version `from`; without them: the last out of the one before."""
    params = call.params
    await known(call, params.station_id)
    found = await configuration.difference(call.lane, params.station_id, params.older, params.newer)
    if found is None:
        raise ProblemError("not_found", "there is no such version; the history lists those that are kept")
    older, newer, changes = found
    return Difference(
        station_id=params.station_id, older=older, newer=newer, changes=[Change.of(one) for one in changes]
    )
