"""The load finds what is wrong with an answer, and nothing where all is right."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from ampstream.bench import echo, mixes
from ampstream.bench.caller import Caller, Tally
from ampstream.bench.load import Dialling, Measured, Side, TooSlow, measure, together
from ampstream.bench.mixes import Claims, Meterstand
from ampstream.simulate.audit import Snapshot, Stored, audit
from ampstream.simulate.ledger import Book
from ampstream.simulate.websocket import Endpoint
from shared.ocpp.timestamps import read_time
from tests.serving import serving
from tests.support import PATIENCE_S, lasting, wait_until

Answer = Callable[[str, dict[str, Any]], Any]
ENOUGH = 100
"""Calls: a dozen sessions and more."""


class Csms:
    """Answers as a test wants: `answer` returns a payload, or a whole frame as bytes, or None for nothing."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.known: dict[str, int] = {}
        self.starts: dict[int, dict[str, Any]] = {}
        self.stops: dict[int, dict[str, Any]] = {}
        self.refusals = 0
        self.asking = ""
        """The station whose message is being answered."""
        self.url = ""

    def answer(self, action: str, payload: dict[str, Any]) -> Any:
        if action == "StartTransaction":
            key = self.asking + msgspec.json.encode(payload).decode()
            number = self.known.setdefault(key, next(self.numbers))
            self.starts[number] = payload
            return {"transactionId": number, "idTagInfo": {"status": "Accepted"}}
        if action == "StopTransaction":
            self.stops[payload["transactionId"]] = payload
        if action == "Heartbeat":
            return {"currentTime": "2024-01-01T00:00:00Z"}
        if action == "BootNotification":
            return {"status": "Accepted", "currentTime": "2024-01-01T00:00:00Z", "interval": 60}
        return {}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if self.refusals > 0:
            self.refusals -= 1
            return web.Response(status=503, headers={"Retry-After": "0"})
        ws = web.WebSocketResponse(protocols=("ocpp1.6",), compress=False)
        await ws.prepare(request)
        async for message in ws:
            if message.type == WSMsgType.TEXT:
                _, message_id, action, payload = msgspec.json.decode(message.data)
                self.asking = request.match_info["station"]
                answer = self.answer(action, payload)
                if isinstance(answer, bytes):
                    await ws.send_str(answer.decode())
                elif answer is not None:
                    await ws.send_str(msgspec.json.encode([3, message_id, answer]).decode())
        return ws

    def snapshot(self, stations: dict[int, str]) -> Snapshot:
        """Return what it stored, as the API would show it."""
        return Snapshot(transactions=tuple(self._stored(number, stations[number]) for number in self.starts))

    def _stored(self, number: int, station: str) -> Stored:
        start, stop = self.starts[number], self.stops[number]
        return Stored(
            id=number,
            station_id=station,
            connector_id=start["connectorId"],
            id_tag=start["idTag"],
            state="closed",
            started_at=read_time(start["timestamp"], 0).ms or 0,
            stopped_at=read_time(stop["timestamp"], 0).ms,
            meter_start_wh=start["meterStart"],
            meter_stop_wh=stop["meterStop"],
            energy_wh=stop["meterStop"] - start["meterStart"],
            stop_reason=stop["reason"],
        )


@pytest.fixture
async def csms() -> AsyncIterator[Csms]:
    """A CSMS in this process that does all right."""
    csms = Csms()
    app = web.Application()
    app.router.add_get("/ocpp/{station}", csms.serve)
    async with serving(app) as port:
        csms.url = f"ws://127.0.0.1:{port}/ocpp"
        yield csms


async def run(url: str, mix: str, tally: Tally, *, stations: int = 3, seconds: float = 0.4) -> tuple[Claims, Measured]:
    """Run a mix for a moment, and until enough was said or something is wrong: a machine may stand still that long."""

    async def pause(seconds: float) -> None:
        before = tally.answered
        await lasting(seconds, "the load runs")
        await wait_until(lambda: tally.answered - before > ENOUGH or tally.problems)

    claims = Claims()
    callers = [Caller(f"B{n}", tally) for n in range(stations)]
    await Dialling(Endpoint.parse(url), {}, rate=100).connect(callers, 10)
    try:
        measured = await measure(
            callers,
            lambda caller: mixes.MIXES[mix](Meterstand(caller.station_id), tally, claims),
            tally,
            {},
            seconds=seconds,
            warm_up_s=0.05,
            pause=pause,
        )
    finally:
        for caller in callers:
            caller.abort()
        await wait_until(lambda: not any(caller.connected for caller in callers))
    return claims, measured


@pytest.mark.parametrize("mix", ["transaction", "metervalues", "heartbeat"])
async def test_right_answers(csms: Csms, mix: str) -> None:
    """A CSMS that does all right gives no problem, and the claims agree with what it stored."""
    tally = Tally()
    claims, measured = await run(csms.url, mix, tally)
    assert tally.problems == []
    assert measured.calls > 10
    assert measured.calls_per_s > 0
    assert 0 < measured.p50_ms <= measured.p99_ms
    stations = {one.number: one.station for one in claims.done}
    assert audit(claims.book(), csms.snapshot(stations)) == []
    assert bool(claims.done) == (mix != "heartbeat")


async def test_starts_are_repeated(csms: Csms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some starts are sent twice; an id that changes is a problem."""
    monkeypatch.setattr(mixes, "REPEAT_EVERY", 2)
    tally = Tally()
    claims, _ = await run(csms.url, "transaction", tally)
    assert len(claims.done) > 6
    assert tally.problems == []
    right = csms.answer

    def forgetful(action: str, payload: dict[str, Any]) -> Any:
        csms.known.clear()
        return right(action, payload)

    csms.answer = forgetful  # type: ignore[method-assign]
    tally = Tally()
    await run(csms.url, "transaction", tally)
    assert any("repeated start" in problem for problem in tally.problems)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (b'[3,"no such id",{}]', "got"),
        (b"no json", "not JSON"),
        (b'[4,"1","InternalError","",{}]', "got"),
        ({"transactionId": 7, "idTagInfo": {"status": "Accepted"}}, "given before"),
        ({"transactionId": 8, "idTagInfo": {"status": "Blocked"}}, "not accepted"),
        ({"transactionId": "x"}, "transactionId"),
    ],
)
async def test_wrong_answers(csms: Csms, wrong: Any, problem: str) -> None:
    """Each kind of wrong answer is a problem in words."""
    csms.answer = lambda action, payload: wrong if action == "StartTransaction" else {}  # type: ignore[method-assign]
    tally = Tally()
    with contextlib.suppress(TooSlow):
        await asyncio.wait_for(run(csms.url, "transaction", tally), PATIENCE_S)
    assert any(problem in text for text in tally.problems), tally.problems


async def test_meter_values_want_an_empty_answer(csms: Csms) -> None:
    """Anything in the answer to MeterValues is a problem."""
    right = csms.answer
    csms.answer = lambda action, payload: {"x": 1} if action == "MeterValues" else right(action, payload)  # type: ignore[method-assign]
    tally = Tally()
    await run(csms.url, "transaction", tally)
    assert any("not empty" in text for text in tally.problems)


async def test_refused_stations_come_again(csms: Csms) -> None:
    """Stations that are put off dial again until they are in."""
    csms.refusals = 4
    tally = Tally()
    await run(csms.url, "heartbeat", tally)
    assert tally.refused == 4
    assert tally.problems == []


async def test_too_slow() -> None:
    """Stations that never come in end the run with what was reached."""
    with pytest.raises(TooSlow, match="0 of 1"):
        await Dialling(Endpoint.parse("ws://127.0.0.1:9/ocpp"), {}).connect([Caller("B", Tally())], 0.2)


async def test_the_yardstick() -> None:
    """The bare echo runs in a process of its own and gives every CALL back."""
    tally = Tally(echo=True)
    async with echo.running() as bare:
        _, measured = await run(bare.url, "transaction", tally, stations=2)
    assert tally.problems == []
    assert measured.calls > 10


def test_windows_of_one_load_are_one() -> None:
    """Calls and seconds add up, a call's cost is that of all calls, the latencies are those of the last."""

    def window(calls: int, seconds: float, edge: float, p50_ms: float) -> Measured:
        rate = calls / seconds
        return Measured(
            stations=5, seconds=seconds, calls=calls, calls_per_s=rate, p50_ms=p50_ms, p99_ms=9.0,
            cpu_us={"edge": edge, "worker": 2 * edge}, load_cpu_us=edge / 2,
        )  # fmt: skip

    whole = together([window(1000, 2.0, 10.0, 5.0), window(3000, 2.0, 20.0, 4.0)])
    assert (whole.calls, whole.seconds, whole.calls_per_s, whole.p50_ms) == (4000, 4.0, 1000.0, 4.0)
    assert whole.cpu_us == {"edge": 17.5, "worker": 35.0}
    assert whole.load_cpu_us == 8.8
    assert together([window(0, 1.0, 0.0, 0.0)]).total_cpu_us == 0.0


async def test_a_load_goes_on_where_its_last_window_ended(csms: Csms) -> None:
    """Registers and clocks rise over all windows: no start of a later one is taken for a repeated one."""
    tally, claims = Tally(), Claims()
    callers = [Caller(f"B{n}", tally) for n in range(2)]
    await Dialling(Endpoint.parse(csms.url), {}).connect(callers, 10)
    side = Side(callers, mixes.transaction, tally, claims, {})
    calls = [(await side.window(0.2, 0.0)).calls for _ in range(3)]
    for caller in callers:
        caller.abort()
    assert tally.problems == []
    assert side.measured().calls == sum(calls)
    assert len(claims.done) == len(csms.starts)
    assert len({(one.station, one.meter_wh) for one in claims.done}) == len(claims.done)


def test_claims_make_a_ledger() -> None:
    """Claims become a book with every Wh in it."""
    claims = Claims()
    one = mixes.Done("B1", 1000, 500)
    one.number, one.meters, one.stop_at, one.stop_wh = 3, 2, 2000, 900
    claims.done.append(one)
    book: Book = claims.book()
    assert book.energy_wh == 400
    assert book.settled()
