"""What a system stored, read through its API, in the audit's words."""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypeVar

import aiohttp
import msgspec

from ampstream.simulate.audit import Reading, Snapshot, Stored

T = TypeVar("T")
REGISTER: Final = "Energy.Active.Import.Register"
_PAGE: Final = 1000
_OF_THE_STATION: Final = frozenset(("Sample.Clock", "Sample.Periodic", "Trigger"))


class SnapshotError(Exception):
    """The API did not give what was asked for."""


class _Transaction(msgspec.Struct):
    id: int
    station_id: str
    connector_id: int
    id_tag: str
    state: str
    started_at: datetime
    stopped_at: datetime | None
    meter_start_wh: int
    meter_stop_wh: int | None
    energy_wh: int
    stop_reason: str | None
    flags: list[str]


class _Transactions(msgspec.Struct):
    items: list[_Transaction]
    next: str | None


class _Sample(msgspec.Struct):
    measurand: str
    value: int | float | str
    context: str
    phase: str | None = None


class _Reading(msgspec.Struct):
    timestamp: datetime
    samples: list[_Sample]


class _Readings(msgspec.Struct):
    items: list[_Reading]
    next: str | None


async def fetch(http: aiohttp.ClientSession, base_url: str, token: str, *, readings: bool = False) -> Snapshot:
    """Return all transactions of the system at `base_url` (`http://HOST:PORT`), with their readings where wanted.

    Raises `SnapshotError` for any answer but 200, aiohttp's errors, and `msgspec.ValidationError`.
    """
    found: list[_Transaction] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await _get(http, f"{base_url}/api/v1/transactions", token, cursor, _Transactions)
        found += page.items
        cursor = page.next
    taken = {one.id: await _readings(http, base_url, token, one.id) for one in found} if readings else None
    return Snapshot(transactions=tuple(map(_stored, found)), readings=taken)


async def _readings(http: aiohttp.ClientSession, base_url: str, token: str, number: int) -> tuple[Reading, ...]:
    taken: list[Reading] = []
    cursor: str | None = ""
    while cursor is not None:
        url = f"{base_url}/api/v1/transactions/{number}/meter-values"
        page = await _get(http, url, token, cursor, _Readings)
        taken += [
            Reading(_ms(reading.timestamp), int(sample.value))
            for reading in page.items
            for sample in reading.samples
            if sample.measurand == REGISTER and sample.context in _OF_THE_STATION and not sample.phase
        ]
        cursor = page.next
    return tuple(taken)


async def _get(http: aiohttp.ClientSession, url: str, token: str, cursor: str, kind: type[T]) -> T:
    params = {"limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {})
    async with http.get(url, params=params, headers={"Authorization": f"Bearer {token}"}) as answer:
        body = await answer.read()
        if answer.status != 200:
            raise SnapshotError(f"{url} answered {answer.status}: {body[:300].decode(errors='replace')}")
    return msgspec.json.decode(body, type=kind)


def _stored(one: _Transaction) -> Stored:
    return Stored(
        id=one.id,
        station_id=one.station_id,
        connector_id=one.connector_id,
        id_tag=one.id_tag,
        state=one.state,
        started_at=_ms(one.started_at),
        stopped_at=_ms(one.stopped_at) if one.stopped_at else None,
        meter_start_wh=one.meter_start_wh,
        meter_stop_wh=one.meter_stop_wh,
        energy_wh=one.energy_wh,
        stop_reason=one.stop_reason or "",
        flags=tuple(one.flags),
    )


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
