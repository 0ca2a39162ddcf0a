"""Sites: the tree of circuits and stations as one document, base loads that were measured, and how things stand."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Cursor, Limit, Page
from edge.operators.models.profiles import tenths
from edge.operators.models.sites import (
    Amount,
    CircuitNow,
    Load,
    LoadBody,
    Name,
    Site,
    SiteBody,
    SiteConnector,
    SiteState,
    SiteSummary,
)
from edge.operators.models.transactions import Transaction
from edge.operators.problems import FieldError, ProblemError, missing
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.charging import TransactionPath
from edge.operators.resources.lists import member, page, shown
from edge.operators.routes import Table
from edge.operators.serving import Answer
from edge.operators.times import GivenInstant, iso, milliseconds
from shared.bus.clock import now_ms
from shared.records import sites as records
from shared.records.queries import sites, transactions
from shared.records.requests import PlanTransaction
from shared.records.sites import LoadReading

TABLE: Final = Table("sites")
_route = TABLE.route


class SiteList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sites."""

    limit: Limit = 100
    cursor: Cursor | None = None


class SitePath(msgspec.Struct, frozen=True, kw_only=True):
    """One site."""

    name: Name


class SiteWrite(SitePath, frozen=True, kw_only=True):
    """One site, and over which version it is written."""

    if_version: (
        Annotated[int, Meta(ge=0, description="Only over this version; 0: only where there is none.")] | None
    ) = None


class PlanBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a transaction is to get; absent: nobody says."""

    energy_kwh: Annotated[float, Meta(gt=0, le=10_000, description="In all, from its start.")] | None = None
    departs_at: GivenInstant | None = None
    priority: Annotated[int, Meta(ge=-1000, le=1000)] | None = None
    """At its site, in place of its station's."""


class LoadPath(SitePath, frozen=True, kw_only=True):
    """One circuit of a site."""

    circuit: Name


@_route("GET", "/sites", "List sites", scope="read", params=SiteList, response=Page[SiteSummary])
async def list_sites(call: Call[SiteList, None]) -> Page[SiteSummary]:
    """Return sites by name."""
    found, after = await sites.page(call.lane, member(call.params.cursor, "sites"), call.params.limit)
    return page(await shown(found, SiteSummary.of), after, "sites")


@_route(
    "GET", "/sites/{name}", "Show a site", scope="read", params=SitePath, response=Site, errors=("not_found",),
)  # fmt: skip
async def show_site(call: Call[SitePath, None]) -> Site:
    """Return a site's document, as PUT takes it."""
    return Site.of(await _known(call))


@_route(
    "PUT", "/sites/{name}", "Create or change a site", scope="operate", params=SiteWrite, body=SiteBody, response=Site,
    also=(201,), errors=("conflict",),
)  # fmt: skip
async def put_site(call: Call[SiteWrite, SiteBody]) -> Answer:
    """Write a site whole: 201 where it is new. From the next round on its stations are told what they may draw.

    What is wrong with the tree is said field by field; 409 where a station is in another site, or where `if_version`
    is not the version that is there.
    """
    body, name = call.body, call.params.name
    errors = list(_faults(body))
    if not errors:
        strange = set(await sites.strangers(call.lane, [one.id for one in body.stations]))
        errors = [
            FieldError("body", f"stations[{number}].id", f"is no station that is known: {one.id}")
            for number, one in enumerate(body.stations)
            if one.id in strange
        ]
    if errors:
        raise ProblemError("bad_body", "; ".join(f"`{one.name}` {one.message}" for one in errors[:5]), errors=errors)
    before = await sites.site(call.lane, name)
    record = _record(name, body, await now_ms(call.lane), call.token.name)
    try:
        written = await sites.put(call.lane, record, if_version=call.params.if_version)
    except sites.Elsewhere as elsewhere:
        raise ProblemError("conflict", f"{elsewhere}; take it out there first") from None
    if written is None:
        raise ProblemError("conflict", f"the site is not at version {call.params.if_version}; read it again")
    return Answer(Site.of(written), 200 if before else 201)


@_route(
    "DELETE", "/sites/{name}", "Delete a site", scope="operate", params=SitePath, status=204, errors=("not_found",),
)  # fmt: skip
async def delete_site(call: Call[SitePath, None]) -> None:
    """Let a site go: its allocator takes its profiles off the stations, each as soon as it can be reached."""
    if not await sites.delete(call.lane, call.params.name, await now_ms(call.lane)):
        raise missing("site", call.params.name)


@_route(
    "GET", "/sites/{name}/state", "Show how a site stands", scope="read", params=SitePath, response=SiteState,
    errors=("not_found",),
)  # fmt: skip
async def show_state(call: Call[SitePath, None]) -> SiteState:
    """Return limits, base loads, what was given and what is drawn, as of the last round, a few seconds ago."""
    found = await sites.now(call.lane, call.params.name)
    if found is None:
        raise missing("site", call.params.name)
    state, voltage = found.state, found.site.voltage
    return SiteState(
        name=found.site.name,
        version=state.version if state else 0,
        at=iso(state.at) if state else None,
        worker=found.holder or None,
        commands=state.commands if state else 0,
        circuits=[CircuitNow.of(one, voltage) for one in state.circuits] if state else [],
        connectors=await shown(state.connectors, SiteConnector.of) if state else [],
        loads=[Load.of(circuit, one) for circuit, one in sorted(found.loads.items())],
    )


@_route(
    "PUT", "/sites/{name}/circuits/{circuit}/base-load", "Post a base load", scope="operate", params=LoadPath,
    body=LoadBody, response=Load, errors=("not_found",),
)  # fmt: skip
async def put_load(call: Call[LoadPath, LoadBody]) -> Load:
    """Tell what else draws on a circuit at this moment, as a meter has it; charging is not in it.

    It counts for the circuit's `reading_valid_s`; after that the estimate does, or where there is none, it goes on.
    """
    site, circuit = await _known(call), call.params.circuit
    if site.circuit(circuit) is None:
        raise missing("circuit", circuit)
    if call.body.amps is None and call.body.kw is None:
        raise ProblemError.of_field("bad_body", "body", "amps", "or `kw` is needed")
    amount = Amount(amps=call.body.amps, kw=call.body.kw).record(up=True)
    reading = LoadReading(amount=amount, at=await now_ms(call.lane), by=call.token.name)
    await sites.put_load(call.lane, site.name, circuit, reading)
    return Load.of(circuit, reading)


@_route(
    "PUT", "/transactions/{transaction_id}/plan", "Plan a transaction", scope="operate", params=TransactionPath,
    body=PlanBody, response=Transaction, errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def plan_transaction(call: Call[TransactionPath, PlanBody]) -> Transaction:
    """Say what an open transaction is to get by when; its site's strategy goes by it. An empty body forgets it."""
    number, body = call.params.transaction_id, call.body
    found = await transactions.transaction(call.lane, number)
    if found is None:
        raise missing("transaction", number)
    asked = PlanTransaction(
        request_id=request_id(call),
        by=call.token.name,
        transaction_id=number,
        energy_wh=None if body.energy_kwh is None else round(body.energy_kwh * 1000),
        departs_at=None if body.departs_at is None else milliseconds(body.departs_at),
        priority=body.priority,
    )
    await ask(call, found.station_id, asked)
    return Transaction.of(await transactions.transaction(call.lane, number) or found)


async def _known(call: Call[Any, Any]) -> records.Site:
    found = await sites.site(call.lane, call.params.name)
    if found is None:
        raise missing("site", call.params.name)
    return found


def _record(name: str, body: SiteBody, now: int, by: str) -> records.Site:
    return records.Site(
        name=name,
        note=body.note,
        strategy=body.strategy,
        circuits=tuple(one.record() for one in body.circuits),
        stations=tuple(one.record() for one in body.stations),
        voltage=body.voltage,
        zone=body.time_zone,
        price_area=body.price_area,
        hysteresis=tenths(body.hysteresis_amps),
        command_interval_s=body.command_interval_s,
        ramp=tenths(body.ramp_amps_per_minute),
        turn_s=body.turn_s,
        updated_at=now,
        updated_by=by,
    )


# ── what is wrong with a document ────────────────────────────────────────────────────────────────────────────────────


def _faults(body: SiteBody) -> Iterator[FieldError]:
    try:
        zoneinfo.ZoneInfo(body.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        yield FieldError("body", "time_zone", "is no IANA time zone, such as `Europe/Berlin`")
    yield from _tree_faults(body)
    yield from _station_faults(body)


def _tree_faults(body: SiteBody) -> Iterator[FieldError]:
    parents = {one.name: one.parent for one in body.circuits}
    names: set[str] = set()
    for number, one in enumerate(body.circuits):
        place = f"circuits[{number}]"
        if one.name in names:
            yield FieldError("body", f"{place}.name", f"is there twice: {one.name}")
        names.add(one.name)
        if one.parent is not None and one.parent not in parents:
            yield FieldError("body", f"{place}.parent", f"is no circuit of this site: {one.parent}")
        elif ring := _ring(parents, one.name):
            yield FieldError("body", f"{place}.parent", f"makes a ring: {' > '.join(ring)}")
        yield from _amount_faults(f"{place}.capacity", one.capacity)
        if (load := one.base_load) is not None:
            if (load.fixed is None) == (load.hours is None):
                yield FieldError("body", f"{place}.base_load", "needs `fixed` or `hours`, and not both")
            for hour, amount in enumerate(load.hours or ([load.fixed] if load.fixed else [])):
                where = f"hours[{hour}]" if load.hours else "fixed"
                yield from _amount_faults(f"{place}.base_load.{where}", amount)
    roots = [one.name for one in body.circuits if one.parent is None]
    if len(roots) != 1:
        told = ", ".join(roots[:5]) or "none"
        yield FieldError("body", "circuits", f"must have one root, a circuit without a parent; there are: {told}")


def _station_faults(body: SiteBody) -> Iterator[FieldError]:
    circuits = {one.name for one in body.circuits}
    seen: dict[str, str] = {}
    for number, one in enumerate(body.stations):
        place = f"stations[{number}]"
        if one.id in seen:
            yield FieldError("body", f"{place}.id", f"is in two places: {one.id} is at {seen[one.id]} already")
        seen.setdefault(one.id, one.circuit)
        if one.circuit not in circuits:
            yield FieldError("body", f"{place}.circuit", f"is no circuit of this site: {one.circuit}")
        if one.min_amps > one.max_amps:
            yield FieldError("body", f"{place}.min_amps", f"is above max_amps, {one.max_amps:g}")


def _amount_faults(place: str, amount: Amount) -> Iterator[FieldError]:
    if amount.amps is None and amount.kw is None:
        yield FieldError("body", place, "needs `amps` (of each phase) or `kw` (of all)")


def _ring(parents: dict[str, str | None], name: str) -> list[str]:
    """Return the way from a circuit back to itself; empty where there is none."""
    way, here = [name], parents.get(name)
    while here is not None and here not in way:
        way.append(here)
        here = parents.get(here)
    return [*way, name] if here == name else []
