"""Security events: what stations reported, and what Ampstream noticed itself."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.audit import SecurityEvent
from edge.operators.models.base import Cursor, Limit, Page, StationId
from edge.operators.resources.lists import page, position, shown
from edge.operators.routes import Table
from edge.operators.times import GivenInstant, milliseconds
from shared.records.queries import security_events
from shared.records.queries.security_events import SecurityFilter
from shared.records.security_events import Severity, Source

TABLE: Final = Table("security")
_route = TABLE.route


class SecurityList(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """Filters of the list."""

    station_id: StationId | None = None
    severity: Severity | None = None
    type: Annotated[str, Meta(max_length=255, description="E.g. `TamperDetectionActivated`; the whole name.")] = ""
    source: Source | None = None
    since: GivenInstant | None = None
    until: GivenInstant | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


@_route(
    "GET", "/security-events", "List security events", scope="read", params=SecurityList, response=Page[SecurityEvent]
)
async def list_security_events(call: Call[SecurityList, None]) -> Page[SecurityEvent]:
    """Return security events by when they came in, the newest first, with the filters that are set."""
    params = call.params
    wanted = SecurityFilter(
        station_id=params.station_id or "",
        severity=params.severity,
        kind=params.type,
        source=params.source,
        since=milliseconds(params.since) if params.since else 0,
        until=milliseconds(params.until) if params.until else 0,
    )
    query = ("security_events", wanted)
    found, after = await security_events.page(call.lane, wanted, position(params.cursor, *query), params.limit)
    return page(await shown(found, SecurityEvent.of), after, *query)
