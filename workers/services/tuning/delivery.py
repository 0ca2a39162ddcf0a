"""Whether a transaction's meter data was what the policy wants: told once, at its end, from its newest readings.

Nothing is counted while samples arrive: the last `NEWEST` readings show which measurands come regularly, and how often.
A transaction that was too short for a sample, or of a station without a policy, is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Final, Literal

import msgspec

from shared.bus import keys
from shared.records.events import DataIncomplete
from shared.records.packing import unpack
from shared.records.transactions import Reading, Sample, Transaction
from shared.records.tuning import KeyMemory
from workers.store.draft import Draft
from workers.store.wants import WantLatestReadings

from .concluding import keep
from .dialect import Dialect, dialect_of

NEWEST: Final = 60
"""Readings looked at."""
SLACK: Final = 1.5
"""A sample may come so many intervals after the last one."""
SLACK_MS: Final = 5_000
UNKNOWN_INTERVAL_MS: Final = 15 * 60_000
"""Where the policy names no interval a transaction shorter than this proves nothing."""
CLOCK: Final = "Sample.Clock"
EDGES: Final = frozenset({"Transaction.Begin", "Transaction.End"})
Verdict = Literal["met", "partly", "unmet", "none"]
change = msgspec.structs.replace


class _Expected(msgspec.Struct, frozen=True):
    """One list of the policy that this transaction's data should show."""

    field: str
    memory: KeyMemory
    found: frozenset[tuple[str, str]]
    """(measurand, phase) of the samples that came, in lower case."""

    def missing(self) -> tuple[str, ...]:
        """Return the items that did not come."""
        return tuple(item for item in self.memory.measurands or () if not _came(item, self.found))


def judge(draft: Draft, closed: Transaction) -> Transaction:
    """Return the ended transaction with `data_policy` and `data_missing`; unchanged where there is nothing to tell."""
    dialect = dialect_of(draft)
    if dialect is None or not _has_policy(draft, dialect):
        return closed
    readings = _readings(draft, closed)
    lists = _expected(draft, dialect, closed, readings)
    if not lists:
        return closed
    missing = [f"{one.field}:{item}" for one in lists for item in one.missing()]
    wanted = sum(len(one.memory.measurands or ()) for one in lists)
    verdict: Verdict = "met" if not missing else "partly" if len(missing) < wanted else "unmet"
    late = _interval_missed(draft, dialect, lists, readings, closed)
    if late:
        missing.append(late)
        verdict = "partly" if verdict == "met" else verdict
    if not readings:
        verdict = "none"
    _remember(draft, lists, closed)
    return change(closed, data_policy=verdict, data_missing=tuple(missing))


def tell(draft: Draft, closed: Transaction) -> None:
    """Count the verdict, and tell where data is missing."""
    if not closed.data_policy:
        return
    draft.count("transactions_data_policy_total", closed.data_policy)
    if closed.data_policy != "met":
        draft.emit(
            DataIncomplete(
                station_id=draft.station_id,
                at=draft.origin.received_at,
                transaction_id=closed.transaction_id,
                connector_id=closed.connector_id,
                data_policy=closed.data_policy,
                missing=closed.data_missing,
            )
        )


def _has_policy(draft: Draft, dialect: Dialect) -> bool:
    held = draft.tuned.keys
    return any(key.lower() in held for key in dialect.meter.lists.values())


def _readings(draft: Draft, closed: Transaction) -> tuple[Reading, ...]:
    """Return the newest readings, with those that this very decision adds."""
    number = closed.transaction_id
    stored: tuple[Reading, ...] = draft.get(WantLatestReadings(number, NEWEST))
    key = keys.meter(draft.station_id, number)
    added = tuple(unpack(_last(write), Reading) for write in draft.writes if write[:2] == ("XADD", key))
    return (*stored, *added)


def _last(write: Sequence[Any]) -> bytes:
    packed = write[-1]
    assert isinstance(packed, bytes), "a reading is packed"
    return packed


def _expected(
    draft: Draft, dialect: Dialect, closed: Transaction, readings: Sequence[Reading]
) -> tuple[_Expected, ...]:
    stop = [one for one in readings if one.received_at == closed.stop_received_at]
    during = [one for one in readings if one.received_at != closed.stop_received_at]
    found = []
    for field, key in dialect.meter.lists.items():
        memory = draft.tuned.keys.get(key.lower())
        if memory is None or not memory.measurands or not _is_due(draft, dialect, field, closed):
            continue
        source = stop if field.startswith("stop_") else during
        found.append(_Expected(field, memory, _shown(source, clock=field.endswith("aligned"))))
    return tuple(found)


def _is_due(draft: Draft, dialect: Dialect, field: str, closed: Transaction) -> bool:
    """Tell whether the transaction was long enough to show samples of this list."""
    if field.startswith("stop_") and closed.estimated:
        return False
    interval_ms = _interval_ms(draft, dialect, field)
    if interval_ms == 0:
        return False
    wait_ms = UNKNOWN_INTERVAL_MS if interval_ms is None else 2 * interval_ms
    return closed.stopped_at - closed.started_at >= wait_ms


def _interval_ms(draft: Draft, dialect: Dialect, field: str) -> int | None:
    """Return how often samples are wanted; 0: never, None: the policy does not say."""
    name = dialect.meter.intervals[f"{field.removeprefix('stop_')}_interval_s"]
    memory = draft.tuned.keys.get(name.lower())
    return int(memory.wanted) * 1000 if memory is not None and memory.wanted.isdecimal() else None


def _shown(readings: Iterable[Reading], *, clock: bool) -> frozenset[tuple[str, str]]:
    return frozenset(
        (sample.measurand.lower(), sample.phase.lower())
        for reading in readings
        for sample in reading.samples
        if (sample.context == CLOCK) == clock
    )


def _came(item: str, found: frozenset[tuple[str, str]]) -> bool:
    """Tell whether samples of an item such as `Voltage` or `Voltage.L1` came."""
    name = item.lower()
    if any(measurand == name for measurand, _ in found):
        return True
    head, _, phase = name.rpartition(".")
    return any(measurand == head and one in (phase, f"{phase}-n") for measurand, one in found)


def _interval_missed(
    draft: Draft, dialect: Dialect, lists: Sequence[_Expected], readings: Sequence[Reading], closed: Transaction
) -> str:
    """Name the interval that samples did not keep; empty where they did, or were too few to tell."""
    if all(one.field != "sampled" for one in lists):
        return ""
    interval_ms = _interval_ms(draft, dialect, "sampled")
    times = sorted({one.taken_at for one in readings if _is_periodic(one.samples, one, closed)})
    if not interval_ms or len(times) < 3:
        return ""
    gap = median(after - before for before, after in pairwise(times))
    return "sampled_interval_s" if gap > SLACK * interval_ms + SLACK_MS else ""


def _is_periodic(samples: Sequence[Sample], reading: Reading, closed: Transaction) -> bool:
    if reading.received_at == closed.stop_received_at:
        return False
    return any(one.context != CLOCK and one.context not in EDGES for one in samples)


def _remember(draft: Draft, lists: Sequence[_Expected], closed: Transaction) -> None:
    """Note what a station holds and does not send, if the transaction began after it was set."""
    for one in lists:
        if closed.received_at < one.memory.set_at or one.memory.taken is None:
            continue
        missing = frozenset(one.missing())
        undelivered = tuple(item for item in one.memory.taken if item in missing)
        if undelivered != one.memory.undelivered:
            keep(draft, change(one.memory, undelivered=undelivered))
