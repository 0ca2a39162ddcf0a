"""Probes of stations: begun, watched, aborted; their reports, as JSON and as a page for people."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import StationId
from edge.operators.models.probes import Probe, ProbeReport
from edge.operators.problems import ProblemError, missing
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.stations import StationPath, known
from edge.operators.routes import Table
from edge.operators.serving import Answer
from shared.records.queries import probes, sites
from shared.records.requests import AbortProbe, StartProbe
from shared.smartcharging.probe_report import markdown

TABLE: Final = Table("probes")
_route = TABLE.route
MARKDOWN: Final = "text/markdown"


class NewProbe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a station is probed."""

    connector_id: Annotated[int, Meta(ge=1, le=1000, description="Which connector is tried with.")] = 1
    force_test: Annotated[
        bool, Meta(description="Also with an open transaction, or where a site manages the station: its limits go.")
    ] = False
    with_transaction: Annotated[
        bool, Meta(description="A test transaction runs: compare what it draws with what it was allowed.")
    ] = False
    settle_s: (
        Annotated[float, Meta(ge=1, le=600, description="How long after a limit its current is looked at; else 30.")]
        | None
    ) = None


class ReportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which report, and how."""

    station_id: StationId
    format: Annotated[
        Literal["json", "markdown"] | None, Meta(description="`markdown`, as `Accept: text/markdown` asks for too.")
    ] = None


@_route(
    "POST", "/stations/{station_id}/probe", "Probe a station's smart charging", scope="operate", params=StationPath,
    body=NewProbe, response=Probe, status=202, errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def start_probe(call: Call[StationPath, NewProbe]) -> Answer:
    """Try what a connected, idle station does with charging profiles, then put back what was there.

    About a hundred messages, one after the other; nothing is charged by it. Its profiles are wanted all the while, and
    what is set meanwhile waits. 409: it is away, a transaction runs, a site manages it, or a profile is on its way.
    """
    station_id, body = call.params.station_id, call.body
    await known(call, station_id)
    site = "" if body.force_test else await sites.site_of(call.lane, station_id)
    if site:
        detail = f"site {site!r} manages the station, and would not know what it may draw meanwhile: take it out of the"
        raise ProblemError("conflict", f"{detail} site, or say `force_test`")
    asked = StartProbe(
        request_id=request_id(call),
        by=call.token.name,
        connector_id=body.connector_id,
        force=body.force_test,
        with_transaction=body.with_transaction,
        settle_ms=round((body.settle_s or 0) * 1000),
    )
    await ask(call, station_id, asked)
    return Answer(Probe.of(station_id, await probes.of_station(call.lane, station_id)), 202)


@_route(
    "GET", "/stations/{station_id}/probe", "Show a station's probe", scope="read", params=StationPath, response=Probe,
    errors=("not_found",),
)  # fmt: skip
async def show_probe(call: Call[StationPath, None]) -> Probe:
    """Return how far the probe is that runs on a station, or how the last one ended."""
    await known(call, call.params.station_id)
    return Probe.of(call.params.station_id, await probes.of_station(call.lane, call.params.station_id))


@_route(
    "DELETE", "/stations/{station_id}/probe", "Abort a station's probe", scope="operate", params=StationPath,
    response=Probe, status=202, errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def abort_probe(call: Call[StationPath, None]) -> Probe:
    """Try nothing more, and put back what was there. 404: none runs; 409: it is being put back already."""
    station_id = call.params.station_id
    await known(call, station_id)
    await ask(call, station_id, AbortProbe(request_id=request_id(call), by=call.token.name))
    return Probe.of(station_id, await probes.of_station(call.lane, station_id))


@_route(
    "GET", "/stations/{station_id}/probe/report", "Show the report of a probe", scope="read", params=ReportOptions,
    response=ProbeReport, media=(MARKDOWN,), errors=("not_found",),
)  # fmt: skip
async def show_report(call: Call[ReportOptions, None]) -> ProbeReport | web.Response:
    """Return what the last probe of a station did and found: per check what was sent and answered, and the verdict.

    As Markdown it is a page that can be attached to a vendor's ticket.
    """
    await known(call, call.params.station_id)
    found = await probes.report(call.lane, call.params.station_id)
    if found is None:
        raise missing("report of a probe of station", call.params.station_id)
    accepts = call.params.format is None and MARKDOWN in call.request.headers.get("Accept", "")
    if call.params.format == "markdown" or accepts:
        return web.Response(text=markdown(found), content_type=MARKDOWN, charset="utf-8")
    return ProbeReport.of(found)
