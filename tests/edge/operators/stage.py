"""A listener on a real Valkey with a node that is not real: what tests of the API stand on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import ClientResponse, ClientSession, web

from edge.operators.app import make_app
from edge.security import SecurityLog
from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Reply
from shared.records.events import Event
from shared.records.packing import pack
from shared.records.quarantine import Quarantined
from shared.records.queries import tokens
from shared.records.requests import Request
from shared.records.stations import ConnectorRecord, Connectors, SessionRecord, StationRecord
from shared.records.tokens import Scope
from shared.records.transactions import Charging, Reading, Transaction
from shared.settings import Settings
from shared.tracing import Tracer
from tests.edge.operators import contract

T0 = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""


class StageNode:
    """A node whose workers are a function of the test."""

    def __init__(self, settings: Settings, lane: Lane) -> None:
        self.name = "edge-stage"
        self.settings = settings
        self.lane = lane
        self.partitions = 4
        self.tracer: Tracer | None = None
        self.security = SecurityLog(lane)
        self.asked: list[tuple[str, Request]] = []
        self.answer: Callable[[str, Request], Reply] = lambda _, request: Reply(request.request_id, 200, b"{}")
        self.before_answer: Callable[[str, Request], Awaitable[None]] | None = None
        """What a commit writes before the reply goes out."""
        self.silent = False
        self.problems: list[str] = []

    async def request(self, station_id: str, request: Request, timeout_s: float) -> Reply:
        self.asked.append((station_id, request))
        if self.silent:
            raise TimeoutError
        if self.before_answer is not None:
            await self.before_answer(station_id, request)
        return self.answer(station_id, request)

    def not_ready(self) -> list[str]:
        return self.problems


class Stage:
    """A running listener, an admin's token, and hands that write records as a commit would."""

    def __init__(self, node: StageNode, url: str, token: str, http: ClientSession) -> None:
        self.node = node
        self.lane = node.lane
        self.url = url
        self.token = token
        self.http = http

    def headers(self, token: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token or self.token}"}

    async def ask(self, method: str, path: str, *, token: str | None = None, **more: Any) -> tuple[int, Any]:
        """Return status and decoded body of a request under `/api/v1`; both must be as the document says."""
        headers = {**self.headers(token), **more.pop("headers", {})}
        async with self.http.request(method, f"{self.url}/api/v1{path}", headers=headers, **more) as response:
            body = await decoded(response)
            contract.check(method, path, response.status, response.content_type, body)
            return response.status, body

    async def get(self, path: str, **more: Any) -> Any:
        """Return the body of a GET that must succeed."""
        status, body = await self.ask("GET", path, **more)
        assert status == 200, body
        return body

    async def all_of(self, path: str, **params: Any) -> list[Any]:
        """Return the items of every page."""
        items: list[Any] = []
        cursor = None
        for _ in range(1000):
            page = await self.get(path, params={**params, **({"cursor": cursor} if cursor else {})})
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return items
        raise AssertionError("a list without an end")

    async def make_token(self, scope: Scope, expires_at: int = 0) -> str:
        text, _ = await tokens.create(self.lane, f"test-{scope}", scope, expires_at)
        return text

    async def write(self, *commands: tuple[Any, ...]) -> None:
        for reply in await self.lane.execute(commands):
            assert not isinstance(reply, Exception), reply

    async def station(self, station_id: str, *, session: SessionRecord | None = None, **fields: Any) -> None:
        """Write a station; a session makes it seen."""
        record = StationRecord(station_id=station_id, **{"created_at": T0, **fields})
        sections = ["st", pack(record)] + (["se", pack(session)] if session else [])
        await self.write(("HSET", keys.state(station_id), "v", "1", *sections), ("ZADD", keys.STATIONS, 0, station_id))

    async def connectors(self, station_id: str, *records: ConnectorRecord) -> None:
        section = Connectors({record.connector_id: record for record in records})
        await self.write(("HSET", keys.state(station_id), "co", pack(section)))

    async def transactions(self, *records: Transaction) -> None:
        """Write transactions: open ones into their stations' states, closed ones under their keys."""
        commands: list[tuple[Any, ...]] = []
        charging: dict[str, dict[int, Transaction]] = {}
        for record in records:
            member = str(record.transaction_id)
            commands += (
                ("ZADD", keys.TRANSACTIONS, record.started_at, member),
                ("ZADD", keys.transactions(record.station_id), record.started_at, member),
                ("HSET", keys.TRANSACTION_OWNERS, member, record.station_id),
            )
            if record.state == "open":
                charging.setdefault(record.station_id, {})[record.transaction_id] = record
                commands.append(("ZADD", keys.TRANSACTIONS_OPEN, record.started_at, member))
            else:
                commands.append(("SET", keys.transaction(record.station_id, record.transaction_id), pack(record)))
        commands += [("HSET", keys.state(owner), "ch", pack(Charging(open=held))) for owner, held in charging.items()]
        await self.write(*commands)

    async def readings(self, station_id: str, transaction_id: int, *records: Reading) -> None:
        await self.write(*(("XADD", keys.meter(station_id, transaction_id), "*", "m", pack(one)) for one in records))

    async def quarantine(self, *records: Quarantined) -> None:
        for one in records:
            await self.write(
                ("HSET", keys.quarantine(one.station_id), one.quarantine_id, pack(one)),
                ("ZADD", keys.QUARANTINE, one.received_at, f"{one.station_id}/{one.quarantine_id}"),
            )

    async def emit(self, *events: Event, entry_id: str = "*") -> str:
        """Append one entry of the event stream and return its id."""
        found: bytes = await self.lane.one("XADD", keys.EVENTS, entry_id, "v", pack(list(events)))
        return found.decode()


async def decoded(response: ClientResponse) -> Any:
    """Return a body as JSON where it is some, else as text."""
    text = await response.read()
    if response.content_type.endswith("json"):
        return msgspec.json.decode(text)
    return text.decode()


def transaction(number: int, station_id: str = "CP1", **fields: Any) -> Transaction:
    """Return a transaction: closed, unless `fields` say otherwise."""
    defaults: dict[str, Any] = {
        "connector_id": 1, "id_tag": "TAG1", "started_at": T0 + number, "received_at": T0 + number,
        "meter_start_wh": 1000, "start_key": f"k{number}", "state": "closed", "stopped_at": T0 + 3_600_000,
        "meter_stop_wh": 8000, "energy_wh": 7000, "stop_reason": "Local",
    }  # fmt: skip
    if fields.get("state") == "open":
        defaults |= {"stopped_at": 0, "meter_stop_wh": None, "energy_wh": 500, "stop_reason": ""}
    return Transaction(transaction_id=number, station_id=station_id, **{**defaults, **fields})


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Stage]:
    """Run a listener for the length of the block."""
    lane = await Lane.open(settings.redis_url.reveal(), name="stage")
    node = StageNode(settings, lane)
    runner = web.AppRunner(make_app(node, settings), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    token, _ = await tokens.create(lane, "test", "admin")
    try:
        async with ClientSession() as http:
            yield Stage(node, f"http://127.0.0.1:{runner.addresses[0][1]}", token, http)
    finally:
        await runner.cleanup()
        await node.security.stop()
        await lane.close()
        await asyncio.sleep(0)
