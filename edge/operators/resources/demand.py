"""Demand response: a site or stations draw less for a while; who complied, and by how much."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Cursor, Limit, Page, StationId
from edge.operators.models.demand import DemandCircuit, DemandEvent, DemandReport, DemandRow, GivenLimit
from edge.operators.models.sites import Amount, Name
from edge.operators.problems import ProblemError, missing
from edge.operators.resources.asking import request_id
from edge.operators.resources.jobs import Target
from edge.operators.resources.lists import page, position, shown
from edge.operators.resources.writing import room
from edge.operators.routes import Table
from edge.operators.serving import Answer
from edge.operators.times import GivenInstant, milliseconds
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.records import demand as records
from shared.records.commands import make_id
from shared.records.demand import DemandKind, DemandRecord, DemandState
from shared.records.queries import demand, site_history, sites
from shared.records.sites import Amount as StoredAmount
from shared.records.sites import Amps
from shared.smartcharging.demand import carried, complied, judged_from, kept_to

TABLE: Final = Table("demand")
_route = TABLE.route

MAX_NAMED: Final = 2000
LONGEST_MS: Final = 366 * 86_400_000
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class NewDemandEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wanted of a site, of named stations, or of those that a filter takes when it starts; and when."""

    name: Annotated[str, Meta(max_length=100, description="For people.")] = ""
    kind: Annotated[
        DemandKind, Meta(description="`curtail`: no more than the limit; `shed`: the limit less than before.")
    ] = "curtail"
    start: Annotated[GivenInstant | None, Meta(description="Absent: now.")] = None
    end: GivenInstant | None = None
    duration_s: Annotated[int, Meta(ge=60, le=366 * 86400, description="In place of `end`.")] | None = None
    limit: Annotated[GivenLimit | None, Meta(description="Only a `shed` may lack it: then nothing is drawn.")] = None
    site: Name | None = None
    circuit: Annotated[Name | None, Meta(description="Of the site; absent: its root.")] = None
    stations: Annotated[list[StationId], Meta(min_length=1, max_length=MAX_NAMED)] | None = None
    filter: Target | None = None
    together: Annotated[
        bool, Meta(description="Whether stations share the limit in equal parts; else each has it.")
    ] = False


class EventList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    state: DemandState | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class EventPath(msgspec.Struct, frozen=True, kw_only=True):
    """One event."""

    event_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z-]+$")]


class ReportPath(EventPath, frozen=True, kw_only=True):
    """Whose report, and in which form."""

    format: Annotated[
        Literal["json", "csv"] | None, Meta(description="`csv`, as the header `Accept: text/csv` asks for too.")
    ] = None


@_route(
    "POST", "/demand-events", "Make a demand response event", scope="operate", body=NewDemandEvent,
    response=DemandEvent, status=201, also=(200,), errors=("conflict",),
)  # fmt: skip
async def create_event(call: Call[Any, NewDemandEvent]) -> Answer:
    """Lower a site, named stations, or those of a filter for a while. 200: asked before.

    A site's limit is of its circuit in all, base load included, and its allocator keeps to it. Stations get a profile
    each that ends by itself with the event; what they have already is never raised.
    """
    now = await now_ms(call.lane)
    event = await _event(call, now)
    before = await demand.record(call.lane, event.event_id)
    if before is not None:
        return Answer(DemandEvent.of(before), 200)
    with room():
        return Answer(DemandEvent.of(await demand.create(call.lane, event)), 201)


@_route(
    "GET", "/demand-events", "List demand response events", scope="read", params=EventList, response=Page[DemandEvent]
)
async def list_events(call: Call[EventList, None]) -> Page[DemandEvent]:
    """Return events, the latest start first, or those in one state."""
    params = call.params
    query = ("demand events", params.state)
    found, after = await demand.page(call.lane, params.state, position(params.cursor, *query), params.limit)
    return page(await shown(found, DemandEvent.of), after, *query)


@_route(
    "GET", "/demand-events/{event_id}", "Show a demand response event", scope="read", params=EventPath,
    response=DemandEvent, errors=("not_found",),
)  # fmt: skip
async def show_event(call: Call[EventPath, None]) -> DemandEvent:
    """Return an event and how it stands."""
    return DemandEvent.of(await _known(call.lane, call.params.event_id))


@_route(
    "POST", "/demand-events/{event_id}/cancel", "Cancel a demand response event", scope="operate", params=EventPath,
    response=DemandEvent, errors=("not_found", "conflict"),
)  # fmt: skip
async def cancel_event(call: Call[EventPath, None]) -> DemandEvent:
    """Let an event not begin, or end now. 409 where it has ended."""
    found = await _known(call.lane, call.params.event_id)
    cancelled = await demand.cancel(call.lane, call.params.event_id, await now_ms(call.lane), call.token.name)
    if cancelled is None:
        raise ProblemError("conflict", f"the event is {found.state}")
    return DemandEvent.of(cancelled)


@_route(
    "GET", "/demand-events/{event_id}/report", "Report on a demand response event", scope="read", params=ReportPath,
    response=DemandReport, media=("text/csv",), errors=("not_found",),
)  # fmt: skip
async def report(call: Call[ReportPath, None]) -> DemandReport | web.Response:
    """Return what each station drew before and during the event, and who kept to the limit.

    Measured once a minute while it runs, and for the last time two minutes after its end.
    """
    record = await _known(call.lane, call.params.event_id)
    rows = await demand.stations(call.lane, call.params.event_id)
    found = _report(record, rows, await _circuit(call.lane, record))
    accepts_csv = call.params.format is None and "text/csv" in call.request.headers.get("Accept", "")
    if call.params.format != "csv" and not accepts_csv:
        return found
    return web.Response(
        text=_csv(found.stations),
        content_type="text/csv",
        charset="utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="demand-{call.params.event_id}.csv"',
            "Cache-Control": "no-store",
            "X-Request-Id": call.id,
        },
    )


async def _circuit(lane: Lane, record: DemandRecord) -> DemandCircuit | None:
    """Return what the circuit of a site's event carried; None where that is not known."""
    event, cap = record.event, record.cap
    site = await sites.site(lane, event.site) if event.site and cap is not None else None
    if site is None or cap is None:
        return None
    circuit = event.circuit or next((one.name for one in site.circuits if not one.parent), "")
    until = record.changed_at if record.state == "cancelled" else event.end_at
    past = await site_history.of_circuit(lane, event.site, circuit, judged_from(event), until)
    before = await site_history.of_circuit(
        lane, event.site, circuit, event.start_at - records.BASELINE_MS, event.start_at
    )
    amps, earlier = carried(past.points), carried(before.points)
    if amps is None:
        return None
    return DemandCircuit(
        circuit=circuit,
        limit=Amount.of(cap),
        before=None if earlier is None else _shown(earlier, site.voltage),
        carried=_shown(amps, site.voltage),
        complied=kept_to(cap, amps, site.voltage),
    )


def _shown(amps: Amps, voltage: int) -> Amount:
    return Amount.of(StoredAmount(amps, sum(amps) * voltage // 10))


def _report(
    record: DemandRecord, rows: dict[str, records.DemandStation], circuit: DemandCircuit | None
) -> DemandReport:
    verdicts = [complied(row) for row in rows.values()]
    known = [row for row in rows.values() if row.drawn_w is not None]
    drawn = sum(row.drawn_w or 0 for row in known) if known else None
    before = sum(row.baseline_w for row in known)
    return DemandReport(
        event=DemandEvent.of(record),
        final=not record.open and record.measured_at >= record.event.end_at,
        baseline_kw=record.baseline_w / 1000,
        drawn_kw=None if drawn is None else drawn / 1000,
        reduced_kw=None if drawn is None else (before - drawn) / 1000,
        energy_kwh=sum(row.energy_wh for row in rows.values()) / 1000,
        complied=verdicts.count(True),
        exceeded=verdicts.count(False),
        unknown=verdicts.count(None),
        circuit=circuit,
        stations=[DemandRow.of(name, row) for name, row in rows.items()],
    )


def _csv(rows: list[DemandRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(DemandRow.__struct_fields__)
    for row in rows:
        writer.writerow([_cell(value) for value in msgspec.structs.astuple(row)])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Keep a spreadsheet from reading a station's text as a formula."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


# ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────────────


async def _event(call: Call[Any, NewDemandEvent], now: int) -> records.DemandEvent:
    """Return the event that a body asks for; raises `ProblemError` that names the field."""
    body = call.body
    start = now if body.start is None else milliseconds(body.start)
    end = _end(body, start, now)
    limit = body.limit
    _check_limit(body)
    await _check_target(call.lane, body)
    return records.DemandEvent(
        event_id=make_id(start if body.start is not None else 0, f"demand:{call.token.name}:{request_id(call)}"),
        name=body.name,
        kind=body.kind,
        start_at=start,
        end_at=end,
        amount=None if limit is None or limit.percent is not None else limit.record(),
        percent=None if limit is None else limit.percent,
        site=body.site or "",
        circuit=body.circuit or "",
        stations=tuple(dict.fromkeys(body.stations or ())),
        filter={} if body.filter is None else msgspec.to_builtins(body.filter),
        together=body.together,
        created_at=now,
        created_by=call.token.name,
    )


def _wrong(field: str, message: str) -> ProblemError:
    return ProblemError.of_field("bad_body", "body", field, message)


def _end(body: NewDemandEvent, start: int, now: int) -> int:
    if (body.end is None) == (body.duration_s is None):
        raise _wrong("end", "or `duration_s` must be given, and not both")
    end = milliseconds(body.end) if body.end is not None else start + (body.duration_s or 0) * 1000
    if end <= start:
        raise _wrong("end", "must be later than `start`")
    if end <= now:
        raise _wrong("end", "is over already")
    if end - start > LONGEST_MS:
        raise _wrong("end", "is more than a year after `start`")
    return end


def _check_limit(body: NewDemandEvent) -> None:
    limit = body.limit
    if limit is None:
        if body.kind == "curtail":
            raise _wrong("limit", "is missing: only a `shed` may lack it")
        return
    amount = limit.amps is not None or limit.kw is not None
    if amount == (limit.percent is not None):
        raise _wrong("limit", "must have `amps` or `kw`, or in place of both `percent`")
    if body.together and (body.site is not None or not amount):
        raise _wrong("together", "is for stations that share `amps` or `kw`")


async def _check_target(lane: Lane, body: NewDemandEvent) -> None:
    if sum(one is not None for one in (body.site, body.stations, body.filter)) != 1:
        raise _wrong("site", "or `stations` or `filter` must be given, and only one of them")
    if body.circuit is not None and body.site is None:
        raise _wrong("circuit", "is of a `site`")
    if body.site is not None:
        site = await sites.site(lane, body.site)
        if site is None:
            raise _wrong("site", "is not known")
        if body.circuit is not None and site.circuit(body.circuit) is None:
            raise _wrong("circuit", f"is none of the site's: {', '.join(one.name for one in site.circuits)[:200]}")
    strange = set(await sites.strangers(lane, body.stations or []))
    for number, name in enumerate(body.stations or ()):
        if name in strange:
            raise _wrong(f"stations[{number}]", "is no station that is known")


async def _known(lane: Lane, event_id: str) -> DemandRecord:
    found = await demand.record(lane, event_id)
    if found is None:
        raise missing("demand response event", event_id)
    return found
