"""Prices of energy by interval, for charging that may wait until it is cheap."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Page
from edge.operators.models.demand import Prices, PricesBody
from edge.operators.problems import ProblemError, missing
from edge.operators.routes import Table
from edge.operators.times import GivenInstant, milliseconds
from shared.bus.clock import now_ms
from shared.records import prices as records
from shared.records.queries import prices

TABLE: Final = Table("prices")
_route = TABLE.route

KEPT_MS: Final = 32 * 86_400_000
"""Prices so long ago are forgotten when new ones come."""


class AreaPath(msgspec.Struct, frozen=True, kw_only=True):
    """One area."""

    area: Annotated[str, Meta(min_length=1, max_length=records.MAX_AREA, pattern=records.AREA_PATTERN)]


class PricesWindow(AreaPath, frozen=True, kw_only=True):
    """Which prices of an area."""

    since: GivenInstant | None = None
    until: GivenInstant | None = None


@_route("GET", "/prices", "List areas with prices", scope="read", response=Page[str])
async def list_areas(call: Call[Any, None]) -> Page[str]:
    """Return the areas that have prices. A site names the one that it goes by."""
    return Page(await prices.areas(call.lane), None)


@_route(
    "GET", "/prices/{area}", "Show prices", scope="read", params=PricesWindow, response=Prices, errors=("not_found",)
)
async def show_prices(call: Call[PricesWindow, None]) -> Prices:
    """Return an area's prices per kWh, in order."""
    params = call.params
    found = await prices.prices(call.lane, params.area)
    if found is None:
        raise missing("list of prices for area", params.area)
    since = 0 if params.since is None else milliseconds(params.since)
    return Prices.of(found, since, 2**62 if params.until is None else milliseconds(params.until))


@_route("PUT", "/prices/{area}", "Write prices", scope="operate", params=AreaPath, body=PricesBody, response=Prices)
async def put_prices(call: Call[AreaPath, PricesBody]) -> Prices:
    """Write prices per kWh; they take the place of what was known for their times. Those of a month ago go."""
    now, body = await now_ms(call.lane), call.body
    given = [(number, one.record()) for number, one in enumerate(body.intervals)]
    for number, one in given:
        if one.end_at <= one.start_at:
            raise _wrong(f"intervals[{number}].end", "must be later than its start")
    given.sort(key=lambda pair: pair[1].start_at)
    for (_, before), (number, one) in pairwise(given):
        if one.start_at < before.end_at:
            raise _wrong(f"intervals[{number}].start", "lies within another interval")
    record = records.Prices(
        area=call.params.area,
        currency=body.currency,
        intervals=tuple(one for _, one in given),
        updated_at=now,
        updated_by=call.token.name,
    )
    return Prices.of(await prices.put(call.lane, record, now=now, kept_ms=KEPT_MS))


@_route(
    "DELETE", "/prices/{area}", "Delete prices", scope="operate", params=AreaPath, status=204, errors=("not_found",)
)
async def delete_prices(call: Call[AreaPath, None]) -> None:
    """Forget an area's prices."""
    if not await prices.delete(call.lane, call.params.area):
        raise missing("list of prices for area", call.params.area)


def _wrong(field: str, message: str) -> ProblemError:
    return ProblemError.of_field("bad_body", "body", field, message)
