"""What stations drew, from their transactions' meter values, many stations in few round trips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.records.packing import unpack
from shared.records.queries.reading import replies
from shared.records.transactions import Charging, Reading, Sample, Transaction
from shared.smartcharging.demand import Measured, Meter, measured, together

CHUNK: Final = 50
"""Stations at once."""
NEWEST: Final = 8
"""Closed transactions that are looked at, of each station."""
READINGS: Final = 1000
"""In one piece; of one transaction so many pieces at most: more than a day of one every four seconds."""
PIECES: Final = 25
BEFORE_MS: Final = 30 * 60_000
"""Readings so long before are read too: one of them says where the register stood."""
REGISTER: Final = "Energy.Active.Import.Register"
POWER: Final = "Power.Active.Import"


class Span(msgspec.Struct, frozen=True):
    """A stretch of time, ms; `until` is exclusive."""

    since: int
    until: int


async def measure(lane: Lane, stations: Sequence[str], spans: Sequence[Span]) -> dict[str, list[Measured]]:
    """Return what each station drew in each of the spans; a station without any transaction drew nothing."""
    found: dict[str, list[Measured]] = {}
    for begin in range(0, len(stations), CHUNK):
        some = stations[begin : begin + CHUNK]
        transactions = await _transactions(lane, some, spans)
        flat = [one for each in transactions for one in each]
        since = min(span.since for span in spans) - BEFORE_MS
        streams: list[Command] = [
            ("XRANGE", keys.meter(one.station_id, one.transaction_id), since, "+", "COUNT", READINGS) for one in flat
        ]
        entries = await replies(lane, streams) if streams else []
        for one, held in zip(flat, entries, strict=True):
            await _rest(lane, one, held)
        read = iter(entries)
        for name, each in zip(some, transactions, strict=True):
            meters = [(meters_of(one, next(read)), one.state == "open") for one in each]
            found[name] = [_in(meters, span) for span in spans]
    return found


async def _rest(lane: Lane, transaction: Transaction, entries: list[Any]) -> None:
    """Add the readings that one piece does not hold: of a long event too the whole counts."""
    key = keys.meter(transaction.station_id, transaction.transaction_id)
    for piece in range(1, PIECES):
        if len(entries) < piece * READINGS:
            return
        after = "(" + entries[-1][0].decode()
        entries += await lane.one("XRANGE", key, after, "+", "COUNT", READINGS)


def _in(meters: Sequence[tuple[list[Meter], bool]], span: Span) -> Measured:
    parts = [measured(readings, span.since, span.until, running=running) for readings, running in meters]
    whole = together(parts)
    # No transaction: nothing was drawn. Transactions whose meters are silent: nobody knows.
    return whole if whole.mean_w is not None or meters else Measured(0, 0, 0)


async def _transactions(lane: Lane, stations: Sequence[str], spans: Sequence[Span]) -> list[list[Transaction]]:
    """Return the transactions of each station that were open in any of the spans."""
    since, until = min(span.since for span in spans), max(span.until for span in spans)
    commands: list[Command] = [("HGET", keys.state(name), "ch") for name in stations]
    commands += [
        ("ZRANGE", keys.transactions(name), until, "-inf", "BYSCORE", "REV", "LIMIT", 0, NEWEST) for name in stations
    ]
    found = await replies(lane, commands)
    sections, numbers = found[: len(stations)], found[len(stations) :]
    open_ = [unpack(section, Charging).open if section else {} for section in sections]
    closed = [
        [int(one) for one in each if int(one) not in running] for each, running in zip(numbers, open_, strict=True)
    ]
    wanted = [(name, one) for name, each in zip(stations, closed, strict=True) for one in each]
    records = iter(await replies(lane, [("GET", keys.transaction(*one)) for one in wanted]) if wanted else [])
    result: list[list[Transaction]] = []
    for running, each in zip(open_, closed, strict=True):
        ended = [unpack(data, Transaction) for data in (next(records) for _ in each) if data is not None]
        result.append(
            [
                *(one for one in running.values() if one.started_at < until),
                *(one for one in ended if one.started_at < until and one.stopped_at > since),
            ]
        )
    return result


def meters_of(transaction: Transaction, entries: Sequence[Any]) -> list[Meter]:
    """Return what a transaction's readings say, in order of time, its begin and its end included."""
    found = [Meter(transaction.started_at, transaction.meter_start_wh)]
    for _, fields in entries:
        reading = unpack(fields[1], Reading)
        register, power = _value(reading.samples, REGISTER), _value(reading.samples, POWER)
        if register is not None or power is not None:
            found.append(Meter(reading.taken_at, register, power))
    if transaction.state == "closed" and transaction.meter_stop_wh is not None:
        found.append(Meter(transaction.stopped_at, transaction.meter_stop_wh))
    return sorted(found, key=lambda one: one.at)


def _value(samples: Sequence[Sample], measurand: str) -> float | None:
    """Return a measurand's value of all phases together; told by phase, its sum."""
    wanted = [
        one
        for one in samples
        if one.measurand == measurand and isinstance(one.value, int | float) and one.location in ("", "Outlet")
    ]
    whole = [one.value for one in wanted if not one.phase]
    if whole:
        return float(whole[0])
    lines = [one.value for one in wanted if one.phase in ("L1", "L2", "L3", "L1-N", "L2-N", "L3-N")]
    return float(sum(value for value in lines if isinstance(value, int | float))) if lines else None
