"""Charging profiles of stations: how far they got, and whether they are obeyed."""

from __future__ import annotations

from shared.records.events.base import Event


class ProfileChanged(Event, tag="profile.changed"):
    """A charging profile of a station came into another state (`state`), for the reason in `detail`."""

    profile_id: int
    connector_id: int
    purpose: str
    state: str
    name: str = ""
    detail: str = ""


class ProbeChanged(Event, tag="probe.changed"):
    """A probe of a station's smart charging came further: `probing`, `restoring`, then `complete` or `aborted`."""

    probe_id: str
    state: str
    detail: str = ""


class LimitExceeded(Event, tag="profile.exceeded"):
    """A station draws more than a profile that it accepted allows, at two readings in a row."""

    transaction_id: int
    connector_id: int
    profile_id: int
    measured: float
    allowed: float
    unit: str
    since: int
