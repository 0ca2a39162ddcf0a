"""Frames that nobody understood: looked at, tried again, dropped."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Accepted, Cursor, Limit, Page, StationId
from edge.operators.models.other import QuarantinedFrame, WholeFrame, quarantine_fields
from edge.operators.problems import missing
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.lists import page, position
from edge.operators.routes import Table
from shared.records.quarantine import Quarantined
from shared.records.queries import quarantine
from shared.records.queries.quarantine import QuarantineFilter
from shared.records.requests import DropQuarantined, ReplayQuarantined

TABLE: Final = Table("quarantine")
_route = TABLE.route

Text = Annotated[str, Meta(max_length=64)]


class QuarantineList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    station_id: StationId | None = None
    reason: Text = ""
    action: Text = ""
    limit: Limit = 100
    cursor: Cursor | None = None


class QuarantinePath(msgspec.Struct, frozen=True, kw_only=True):
    """One frame."""

    quarantine_id: Annotated[str, Meta(min_length=1, max_length=64)]


@_route(
    "GET", "/quarantine", "List quarantined frames", scope="read", params=QuarantineList,
    response=Page[QuarantinedFrame],
)  # fmt: skip
async def list_quarantine(call: Call[QuarantineList, None]) -> Page[QuarantinedFrame]:
    """Return frames that were not understood, newest first, without their text."""
    params = call.params
    wanted = QuarantineFilter(station_id=params.station_id or "", reason=params.reason, action=params.action)
    query = ("quarantine", wanted)
    found, after = await quarantine.page(call.lane, wanted, position(params.cursor, *query), params.limit)
    return page([QuarantinedFrame(**quarantine_fields(one)) for one in found], after, *query)


@_route(
    "GET", "/quarantine/{quarantine_id}", "Show a quarantined frame", scope="read", params=QuarantinePath,
    response=WholeFrame, errors=("not_found",),
)  # fmt: skip
async def show_quarantined(call: Call[QuarantinePath, None]) -> WholeFrame:
    """Return a frame whole, as the station sent it."""
    found = await _known(call)
    return WholeFrame(
        **quarantine_fields(found),
        frame=found.frame.decode(errors="replace"),
        frame_base64=base64.b64encode(found.frame).decode(),
        epoch=found.epoch,
        call_seq=found.call_seq,
    )


@_route(
    "POST", "/quarantine/{quarantine_id}/replay", "Replay a quarantined frame", scope="operate",
    params=QuarantinePath, response=Accepted, errors=("not_found", "conflict", "bad_body", "outcome_unknown"),
)  # fmt: skip
async def replay_quarantined(call: Call[QuarantinePath, None]) -> Accepted:
    """Run a frame through the pipeline again, without an answer to the station; it leaves quarantine if it passes."""
    found = await _known(call)
    asked = ReplayQuarantined(request_id=request_id(call), by=call.token.name, quarantine_id=found.quarantine_id)
    await ask(call, found.station_id, asked)
    return Accepted(request_id=asked.request_id, detail="replayed")


@_route(
    "DELETE", "/quarantine/{quarantine_id}", "Drop a quarantined frame", scope="operate", params=QuarantinePath,
    status=204, errors=("not_found", "outcome_unknown"),
)  # fmt: skip
async def drop_quarantined(call: Call[QuarantinePath, None]) -> None:
    """Forget a frame for good."""
    found = await _known(call)
    asked = DropQuarantined(request_id=request_id(call), by=call.token.name, quarantine_id=found.quarantine_id)
    await ask(call, found.station_id, asked)


async def _known(call: Call[QuarantinePath, Any]) -> Quarantined:
    found = await quarantine.frame(call.lane, call.params.quarantine_id)
    if found is None:
        raise missing("quarantined frame", call.params.quarantine_id)
    return found
