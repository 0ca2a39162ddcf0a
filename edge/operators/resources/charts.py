"""Charts of limit, allocation and draw over time, of sites and of stations, as SVG or PNG."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import tzinfo
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from aiohttp import web
from msgspec import Meta

from edge.charts import sites as site_charts
from edge.charts import stations as station_charts
from edge.charts.chart import Chart, Panel, Unit
from edge.charts.drawing import MEDIA, Format, picture
from edge.charts.reading import sessions
from edge.charts.steps import MOST, Step
from edge.operators.call import Call
from edge.operators.models.base import StationId
from edge.operators.models.sites import Name
from edge.operators.problems import ProblemError, missing
from edge.operators.resources.stations import known
from edge.operators.routes import Table
from edge.operators.times import GivenInstant, milliseconds
from shared.bus.clock import now_ms
from shared.records.authorization_hours import is_zone, zone_of
from shared.records.queries import profiles, site_history, sites
from shared.records.queries.profiles import StationProfiles
from shared.records.queries.site_history import Past
from shared.records.site_history import MINUTE_MS
from shared.records.sites import Site

TABLE: Final = Table("charts")
_route = TABLE.route

DAY_MS: Final = 24 * 3_600_000
MOST_MS: Final = 14 * DAY_MS
_POLICY: Final = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-store"}
"""Whoever opens the picture as a page gets a page that may do nothing."""


class ChartOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What every chart takes."""

    since: Annotated[GivenInstant | None, Meta(description="Its beginning; absent: a day before its end.")] = (
        msgspec.field(name="from", default=None)
    )
    until: Annotated[GivenInstant | None, Meta(description="Its end, at most 14 days later; absent: now.")] = (
        msgspec.field(name="to", default=None)
    )
    format: Annotated[Format | None, Meta(description="As `Accept` asks for too; else SVG.")] = None
    unit: Annotated[Unit | None, Meta(description="Absent: what the limits are in, or the meter tells.")] = None
    time_zone: Annotated[
        str, Meta(max_length=64, description="IANA name of the zone of its clocks; absent: the site's, else UTC.")
    ] = ""


class SiteChart(ChartOptions, frozen=True, kw_only=True):
    """Of which circuit or station of a site."""

    name: Name
    node: Annotated[
        str, Meta(max_length=64, description="A circuit of the site, or a station in it; absent: its root.")
    ] = ""


class StationChart(ChartOptions, frozen=True, kw_only=True):
    """Of which station, or connector."""

    station_id: StationId
    connector_id: (
        Annotated[
            int,
            Meta(ge=1, le=1000, description="Absent: the whole station where a site manages it, else connector 1."),
        ]
        | None
    ) = None


class Span(NamedTuple):
    """What a chart covers, ms."""

    since: int
    until: int
    now: int


@_route(
    "GET", "/sites/{name}/chart", "Draw a site", scope="read", params=SiteChart, media=tuple(MEDIA.values()),
    errors=("not_found",),
)  # fmt: skip
async def draw_site(call: Call[SiteChart, None]) -> web.Response:
    """Return a picture of what a circuit, or a station of a site, was allowed, given and drew, minute by minute.

    The past reaches as far as `AMPSTREAM_SITE_HISTORY_S`. Where nothing is known there is a gap.
    """
    params = call.params
    site = await sites.site(call.lane, params.name)
    if site is None:
        raise missing("site", params.name)
    node = params.node or next((one.name for one in site.circuits if not one.parent), "")
    span, zone = await _span(call), _zone(params, site)
    at_circuit = site.circuit(node) is not None
    if not at_circuit and all(one.station_id != node for one in site.stations):
        raise missing(f"circuit or station of site {site.name}", node)
    read = site_history.of_circuit if at_circuit else site_history.of_station
    past = await read(call.lane, site.name, node, span.since, span.until)

    def make() -> Chart:
        unit = params.unit or site_charts.unit_of(past)
        panels = site_charts.panels(past, unit, span.since, span.until, idle_phases=at_circuit)
        return _chart(f"Site {site.name}, {node}", span, zone, panels)

    return await _answer(call, make, f"{site.name}-{node}")


@_route(
    "GET", "/stations/{station_id}/chart", "Draw a station", scope="read", params=StationChart,
    media=tuple(MEDIA.values()), errors=("not_found",),
)  # fmt: skip
async def draw_station(call: Call[StationChart, None]) -> web.Response:
    """Return a picture of a station's limit and draw; what a site gave it, where one manages it.

    Without a site, or for a `connector_id`, the limit is what the profiles allow that it has now, from when it accepted
    the last of them, into the future too; draws are what its meter told in transactions.
    """
    params = call.params
    await known(call, params.station_id)
    span = await _span(call)
    name = await sites.site_of(call.lane, params.station_id) if params.connector_id is None else ""
    site = await sites.site(call.lane, name) if name else None
    if site is not None:
        past = await site_history.of_station(call.lane, site.name, params.station_id, span.since, span.until)
        make = _managed(params.station_id, site, past, span, params)
    else:
        held = await profiles.of_station(call.lane, params.station_id)
        make = await _alone(call, params.connector_id or 1, held, span)
    return await _answer(call, make, params.station_id)


def _managed(station_id: str, site: Site, past: Past, span: Span, params: StationChart) -> Callable[[], Chart]:
    zone = _zone(params, site)

    def make() -> Chart:
        unit = params.unit or site_charts.unit_of(past)
        panels = site_charts.panels(past, unit, span.since, span.until, idle_phases=False)
        return _chart(f"Station {station_id}, site {site.name}", span, zone, panels)

    return make


async def _alone(
    call: Call[StationChart, None], connector: int, held: StationProfiles, span: Span
) -> Callable[[], Chart]:
    params = call.params
    found = await sessions(call.lane, params.station_id, connector, span.since, min(span.until, span.now))
    zone = _zone(params, None)

    def make() -> Chart:
        assigned = held.limits.by_slot.values()
        unit = params.unit or station_charts.unit_of(found, assigned)
        whole = Step(span.since, span.until, 0)
        limit = station_charts.limits(assigned, found, connector, unit, whole)
        panels = station_charts.panels(found, limit, unit, whole, span.now)
        return _chart(f"Station {params.station_id}, connector {connector}", span, zone, panels)

    return make


def _chart(title: str, span: Span, zone: tuple[tzinfo, str], panels: tuple[Panel, ...]) -> Chart:
    minutes = (span.until - span.since) / MINUTE_MS / MOST
    note = f"greatest draw and least limit of each {minutes:.1f} min" if minutes > 1 else ""
    return Chart(
        title=title, since=span.since, until=span.until, now=span.now, zone=zone[0], zone_name=zone[1], panels=panels,
        note=note,
    )  # fmt: skip


async def _span(call: Call[Any, None]) -> Span:
    """Return what is asked for; raises `ProblemError` that names the wrong parameter."""
    params, now = call.params, await now_ms(call.lane)
    until = now if params.until is None else milliseconds(params.until)
    since = until - DAY_MS if params.since is None else milliseconds(params.since)
    if until - since < MINUTE_MS:
        raise ProblemError.of_field("bad_parameter", "query", "from", "must be at least a minute before `to`")
    if until - since > MOST_MS:
        raise ProblemError.of_field("bad_parameter", "query", "from", "is more than 14 days before `to`")
    return Span(since, until, now)


def _zone(params: ChartOptions, site: Site | None) -> tuple[tzinfo, str]:
    name = params.time_zone or (site.zone if site else "UTC")
    if params.time_zone and not is_zone(name):
        message = "is no IANA time zone, such as `Europe/Berlin`"
        raise ProblemError.of_field("bad_parameter", "query", "time_zone", message)
    return zone_of(name), name


async def _answer(call: Call[Any, None], make: Callable[[], Chart], name: str) -> web.Response:
    accepted = call.request.headers.get("Accept", "")
    wanted: Format = call.params.format or (
        "png" if MEDIA["png"] in accepted and MEDIA["svg"] not in accepted else "svg"
    )
    file_name = f"{re.sub('[^A-Za-z0-9._-]+', '_', name)[:80]}.{wanted}"
    headers = {**_POLICY, "Content-Disposition": f'inline; filename="{file_name}"'}
    return web.Response(body=await picture(make, wanted), content_type=MEDIA[wanted], headers=headers)
