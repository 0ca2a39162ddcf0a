"""Drifts: significant changes of configurations, listed and acknowledged; the rules that tell which are."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Cursor, Limit, Page, StationId
from edge.operators.models.configuration import Drift, Rules
from edge.operators.problems import missing
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.lists import page, position, shown
from edge.operators.routes import Table
from shared.bus.clock import now_ms
from shared.records import drifts
from shared.records.configuration import ChangeKind
from shared.records.drifts import DriftRule, DriftRules, DriftState
from shared.records.queries import configuration
from shared.records.queries.configuration import DriftFilter
from shared.records.requests import AcknowledgeDrift

TABLE: Final = Table("drifts")
_route = TABLE.route

MAX_RULES: Final = 500
Pattern = Annotated[
    str, Meta(min_length=1, max_length=100, description="Of a key, code or measurand: `*` any text, `?` any character.")
]


class DriftList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    station_id: StationId | None = None
    state: DriftState | None = None
    limit: Limit = 100
    cursor: Cursor | None = None

    @property
    def filter(self) -> DriftFilter:
        """The filter of the query."""
        return DriftFilter(station_id=self.station_id or "", state=self.state)


class DriftPath(msgspec.Struct, frozen=True, kw_only=True):
    """One drift."""

    drift_id: Annotated[str, Meta(min_length=1, max_length=64)]


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the operator notes."""

    note: Annotated[str, Meta(max_length=1000)] = ""


class GivenRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a change is taken for: the first rule that fits it decides."""

    names: Pattern = "*"
    kinds: Annotated[list[ChangeKind], Meta(max_length=12, description="Empty: all.")] = []
    significant: bool = True
    note: Annotated[str, Meta(max_length=255)] = ""


class GivenRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of the fleet, whole."""

    rules: Annotated[list[GivenRule], Meta(max_length=MAX_RULES)]
    secrets: Annotated[
        list[Pattern], Meta(max_length=MAX_RULES, description="Keys whose values are neither stored nor shown.")
    ] = []


@_route("GET", "/drifts", "List drifts", scope="read", params=DriftList, response=Page[Drift])
async def list_drifts(call: Call[DriftList, None]) -> Page[Drift]:
    """Return drifts of all stations, the newest first, with the filters that are set."""
    wanted, query = call.params.filter, ("drifts", call.params.filter)
    found, after = await configuration.drifts(
        call.lane, wanted, position(call.params.cursor, *query), call.params.limit
    )
    return page(await shown(found, Drift.of), after, *query)


@_route(
    "GET", "/drifts/{drift_id}", "Show a drift", scope="read", params=DriftPath, response=Drift, errors=("not_found",)
)
async def show_drift(call: Call[DriftPath, None]) -> Drift:
    """Return a drift, as long as it is kept."""
    return Drift.of(await _found(call))


@_route(
    "POST", "/drifts/{drift_id}/acknowledge", "Acknowledge a drift", scope="operate", params=DriftPath,
    body=Acknowledgement, response=Drift, errors=("not_found", "outcome_unknown"),
)  # fmt: skip
async def acknowledge_drift(call: Call[DriftPath, Acknowledgement]) -> Drift:
    """Note that it was seen, and by whom; a second time changes nothing."""
    found = await _found(call)
    asked = AcknowledgeDrift(
        request_id=request_id(call), by=call.token.name, drift_id=found.drift_id, note=call.body.note
    )
    reply = await ask(call, found.station_id, asked)
    return Drift.of(msgspec.json.decode(reply.body, type=drifts.Drift))


@_route("GET", "/drift-rules", "Show the drift rules", scope="read", response=Rules)
async def show_drift_rules(call: Call[None, None]) -> Rules:
    """Return the rules that tell which changes are significant."""
    return Rules.of(await configuration.drift_rules(call.lane))


@_route("PUT", "/drift-rules", "Replace the drift rules", scope="admin", body=GivenRules, response=Rules)
async def put_drift_rules(call: Call[None, GivenRules]) -> Rules:
    """Replace the rules whole; they count from the next read on. Secrets of before are masked from now on."""
    made = DriftRules(
        rules=tuple(
            DriftRule(names=one.names, kinds=tuple(one.kinds), significant=one.significant, note=one.note)
            for one in call.body.rules
        ),
        secrets=tuple(call.body.secrets),
        updated_at=await now_ms(call.lane),
        by=call.token.name,
    )
    await configuration.put_drift_rules(call.lane, made)
    return Rules.of(made)


async def _found(call: Call[DriftPath, Any]) -> drifts.Drift:
    found = await configuration.drift(call.lane, call.params.drift_id)
    if found is None:
        raise missing("drift", call.params.drift_id)
    return found
