"""Whether a station counts as accepted, pending or rejected, and what it may send therefore."""

from __future__ import annotations

from typing import Final

from shared.records.stations import Registration, StationRecord
from workers.store.draft import Draft

TRIGGERS: Final[dict[str, str]] = {"SignChargePointCertificate": "SignCertificate"}
"""What TriggerMessage calls another name than the action that it asks for (white paper, 1.6 security, A02)."""


def verdict(draft: Draft, station: StationRecord | None) -> Registration:
    """Decide what a boot is answered: by the station's own policy, else by what it has, else by the fleet's."""
    if station is not None and station.boot_policy is not None:
        return station.boot_policy
    if station is not None and station.registration == "accepted":
        return "accepted"
    fleet: Registration = draft.policy.boot_policy
    return fleet


def effective(draft: Draft) -> Registration:
    """Return the station's registration; for one that never booted, what its boot would be answered (quirk 1)."""
    station = draft.station
    if station is not None and station.registration != "none":
        return station.registration
    return verdict(draft, station)


def may_send(draft: Draft, action: str) -> bool:
    """Tell whether the station may send a CALL of this action now.

    Before it is accepted it may send only what it was asked for by TriggerMessage while pending (OCPP 1.6 §4.2).
    """
    registration = effective(draft)
    if registration == "accepted":
        return True
    return registration == "pending" and action in draft.session.triggered
