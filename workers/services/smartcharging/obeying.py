"""Whether a station draws what it was allowed: its samples against its profiles.

A limit counts once it was in force for a while before the sample (`Policy.limit_grace_ms`), and a station is flagged at
the second reading in a row that is clearly above it: ramps, inrush and the meter's own error are no disobedience.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from shared.records.events import LimitExceeded
from shared.records.profiles import MAINS, Assigned, Limits, Profile, Unit
from shared.records.transactions import Reading, Sample, Transaction
from shared.smartcharging.composite import Limit, Situation, limit_at
from shared.smartcharging.metering import CURRENT, POWER, at_outlet, direct_w
from workers.store.draft import Draft

DISOBEYS: Final = "limit_exceeded"
"""Flag of a station that draws more than a profile that it accepted allows."""
TOLERANCE: Final = 1.1
SLACK: Final[dict[str, int]] = {"A": 10, "W": 5000}
"""Tenths of a unit that are allowed beyond the tolerance: 1 A, or 500 W."""
LINES: Final = ("L1", "L2", "L3", "L1-N", "L2-N", "L3-N")


def look(draft: Draft, transaction: Transaction, readings: Sequence[Reading]) -> None:
    """Hold the newest reading of an open transaction against the profiles that its station accepted."""
    held = [one for one in draft.limits.by_slot.values() if one.installed and not one.clearing]
    reading = readings[-1]
    told, grace_ms = drawn(reading), draft.policy.limit_grace_ms
    for unit, measured in told:
        allowed = _allowed([one.profile for one in held], transaction, reading.taken_at, unit, grace_ms)
        if allowed is None:
            continue
        setter = next((one for one in held if one.profile.profile_id == allowed.profile_id), None)
        if setter is None or reading.received_at - setter.accepted_at < grace_ms:
            return
        if any(other == setter.profile.unit != unit for other, _ in told):
            continue  # It is held against what it says: to convert it the car's phases would have to be guessed.
        _judge(draft, transaction, setter, allowed, measured, unit, reading.taken_at)
        return


def _allowed(profiles: list[Profile], transaction: Transaction, at: int, unit: Unit, grace_ms: int) -> Limit | None:
    """Return the greatest limit that was in force lately; None where there was a moment without one."""
    situation = Situation(
        connector_id=transaction.connector_id,
        since=at - grace_ms,
        until=at + 1,
        unit=unit,
        transaction_id=transaction.transaction_id,
        charging_since=transaction.started_at,
        supply=MAINS,
    )
    limits = [limit_at(profiles, situation, moment) for moment in (at - grace_ms, at)]
    known = [limit for limit in limits if limit is not None]
    return max(known, key=lambda limit: limit.limit) if len(known) == len(limits) else None


def _judge(
    draft: Draft, transaction: Transaction, setter: Assigned, allowed: Limit, measured: int, unit: Unit, at: int
) -> None:
    if measured <= allowed.limit * TOLERANCE + SLACK[unit]:
        if setter.over_since:
            _put(draft, setter, 0)
        return
    if not setter.over_since:
        _put(draft, setter, at)
        return
    if at <= setter.over_since:
        return
    draft.flag(DISOBEYS)
    draft.emit(
        LimitExceeded(
            station_id=draft.station_id,
            at=draft.origin.received_at,
            transaction_id=transaction.transaction_id,
            connector_id=transaction.connector_id,
            profile_id=setter.profile.profile_id,
            measured=measured / 10,
            allowed=allowed.limit / 10,
            unit=unit,
            since=setter.over_since,
        )
    )
    said = f"at {_moment(at)} it drew {measured / 10:g} {unit}, {allowed.limit / 10:g} {unit} were allowed"
    _put(draft, setter, at, said)


def drawn(reading: Reading) -> list[tuple[Unit, int]]:
    """Return what was drawn from the grid, in tenths: the highest phase's current, and the whole power.

    Power that is not told is what the currents come to; of direct current the power counts, on three phases.
    """
    if (direct := direct_w(reading.samples)) is not None:
        return [("A", round(direct * 10 / (MAINS.voltage * MAINS.phases))), ("W", round(direct * 10))]
    found: list[tuple[Unit, int]] = []
    samples = at_outlet(reading.samples)
    currents = {one.phase: _tenths(one) for one in samples if one.measurand == CURRENT and one.unit == "A"}
    known = {phase: value for phase, value in currents.items() if value is not None}
    if known:
        found.append(("A", max(known.values())))
    powers = {sample.phase: _tenths(sample) for sample in samples if sample.measurand == POWER}
    total = powers.get("") if "" in powers else sum(value for value in powers.values() if value is not None)
    if powers and total is not None:
        found.append(("W", total))
    elif known:
        # A current without a phase is of one at least: nobody is accused who may obey.
        lines = [value for phase, value in known.items() if phase in LINES] or [max(known.values())]
        found.append(("W", sum(lines) * MAINS.voltage))
    return found


def _tenths(sample: Sample) -> int | None:
    return round(sample.value * 10) if isinstance(sample.value, int | float) else None


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _put(draft: Draft, setter: Assigned, over_since: int, detail: str = "") -> None:
    changed = msgspec.structs.replace(setter, over_since=over_since, detail=detail or setter.detail)
    draft.put(Limits({slot: changed if one is setter else one for slot, one in draft.limits.by_slot.items()}))
