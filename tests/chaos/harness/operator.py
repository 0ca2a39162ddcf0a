"""What the system stored, as an operator sees it: through the API, and the event stream whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import aiohttp
import msgspec
import redis

from ampstream.simulate.audit import Reading, Snapshot, Stored
from shared.bus import keys

REGISTER = "Energy.Active.Import.Register"
PERIODIC = frozenset({"Sample.Periodic", "Trigger"})


class Operator:
    """Asks one edge's operators' listener, and Valkey for the events."""

    def __init__(self, url: str, token: str, valkey_url: str) -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}"}
        self._valkey_url = valkey_url

    async def request(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Send a request to `/api/v1<path>`; returns status and decoded body."""
        async with (
            aiohttp.ClientSession(headers=self.headers, timeout=aiohttp.ClientTimeout(total=20)) as http,
            http.request(method, f"{self.url}/api/v1{path}", **more) as answer,
        ):
            body = await answer.read()
            return answer.status, msgspec.json.decode(body) if body else None

    async def get(self, path: str, **params: str | int) -> Any:
        """Return what `path` shows; anything but 200 fails the test."""
        status, body = await self.request("GET", path, params=params)
        assert status == 200, (path, status, body)
        return body

    async def items(self, path: str, **params: str | int) -> list[dict[str, Any]]:
        """Return a whole list, page by page."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(path, limit=1000, **params, **cursor)
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    async def station(self, station_id: str) -> dict[str, Any]:
        """Return one station."""
        found: dict[str, Any] = await self.get(f"/stations/{station_id}")
        return found

    async def snapshot(self, station_id: str = "") -> Snapshot:
        """Return all transactions (of one station) with their readings, and how often each ended."""
        params = {"station_id": station_id} if station_id else {}
        transactions = [_stored(one) for one in await self.items("/transactions", **params)]
        readings = {one.id: await self._readings(one.id) for one in transactions}
        return Snapshot(transactions=tuple(transactions), readings=readings, ended=self._ended())

    async def _readings(self, transaction_id: int) -> tuple[Reading, ...]:
        return tuple(
            Reading(milliseconds(reading["timestamp"]), int(sample["value"]))
            for reading in await self.items(f"/transactions/{transaction_id}/meter-values")
            for sample in reading["samples"]
            if sample["measurand"] == REGISTER and sample["context"] in PERIODIC and not sample["phase"]
        )

    def events(self, station_id: str = "", *, repeated: bool = False) -> list[dict[str, Any]]:
        """Return every event in the order of the stream, each id once (unless `repeated`)."""
        seen: set[str] = set()
        found = []
        with redis.Redis.from_url(self._valkey_url) as client:
            entries: Any = client.xrange(keys.EVENTS)
            for _, fields in entries:
                for event in msgspec.msgpack.decode(fields[b"v"]):
                    if (station_id and event["station_id"] != station_id) or (event["id"] in seen and not repeated):
                        continue
                    seen.add(event["id"])
                    found.append(event)
        return found

    def _ended(self) -> dict[int, int]:
        ended: dict[int, int] = {}
        for event in self.events():
            if event["type"] == "transaction.ended":
                number = int(event["transaction_id"])
                ended[number] = ended.get(number, 0) + 1
        return ended


def milliseconds(text: str) -> int:
    """Return an API time in ms since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _stored(one: Mapping[str, Any]) -> Stored:
    return Stored(
        id=one["id"],
        station_id=one["station_id"],
        connector_id=one["connector_id"],
        id_tag=one["id_tag"],
        state=one["state"],
        started_at=milliseconds(one["started_at"]),
        stopped_at=milliseconds(one["stopped_at"]) if one["stopped_at"] else None,
        meter_start_wh=one["meter_start_wh"],
        meter_stop_wh=one["meter_stop_wh"],
        energy_wh=one["energy_wh"],
        stop_reason=one["stop_reason"] or "",
        flags=tuple(one["flags"]),
    )
