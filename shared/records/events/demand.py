"""Demand response: when events begin and end, and what came of them."""

from __future__ import annotations

from shared.records.events.base import Event


class DemandStarted(Event, tag="demand.started"):
    """A demand response event began: what was drawn before, and what its limit came to (of stations each)."""

    event_id: str
    kind: str
    stations: int
    baseline_w: int
    end_at: int
    name: str = ""
    site: str = ""
    limit_w: int | None = None
    limit_a: float | None = None


class DemandEnded(Event, tag="demand.ended"):
    """A demand response event that had begun is over (`ended` or `cancelled`); what was drawn is known up to then."""

    event_id: str
    state: str
    stations: int
    complied: int
    exceeded: int
    baseline_w: int
    name: str = ""
    site: str = ""
    drawn_w: int | None = None
    detail: str = ""
