"""The external authorizer is asked in bounded time, whatever it does."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from shared.records.tags import Judgement, Verdict
from shared.settings import Secret, Settings
from tests.support import PATIENCE_S
from tests.workers.authorizer.stand_in import StandIn, stand_in
from workers.authorizer import Breaker, Client
from workers.store.wants import WantJudgement

WANT = WantJudgement("04A1", "CP1", "start", "north", "")


class Clock:
    """A clock that stands still until it is turned."""

    now = 50.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def client(url: str, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Client]:
    """A client of `url`, which gives up only where that is the subject."""
    made = Client(Settings(authorizer_url=url, **{"authorizer_timeout_s": PATIENCE_S, **settings}), clock or Clock())
    try:
        yield made
    finally:
        await made.close()


async def test_it_is_asked_and_its_word_is_taken() -> None:
    """Tag, station and place go in the body, the token in its header; status, expiry and group come back."""
    async with stand_in() as service, client(service.url, authorizer_token=Secret("s3cret")) as asks:
        found = await asks.ask(WANT)
        assert found == Judgement(verdict=Verdict(status="Accepted", expires_at=1_893_456_000_000, parent="fleet"))
        (asked,) = service.asked
        assert asked == {"id_tag": "04A1", "station_id": "CP1", "where": "start", "group": "north", "site": None}
        assert service.headers[0]["Authorization"] == "Bearer s3cret"
        assert service.paths == ["/tags"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"status": 500}, "status"),
        ({"status": 404}, "status"),
        ({"text": "<html>login</html>"}, "garbage"),
        ({"text": ""}, "garbage"),
        ({"body": {"status": "accepted"}}, "garbage"),
        ({"body": {"status": "Accepted", "expires_at": "tomorrow"}}, "garbage"),
        ({"body": {"status": "Accepted", "parent": 7}}, "garbage"),
        ({"text": '{"status": "Accepted", "x": "' + "y" * 20_000 + '"}'}, "garbage"),
        ({"text": '{"status": "Acc', "status": 200}, "garbage"),
    ],
)
async def test_what_is_no_answer_counts_as_none(answer: dict[str, Any], problem: str) -> None:
    """Statuses other than 200, and bodies that are not what they must be, are problems, never exceptions."""
    async with stand_in() as service, client(service.url) as asks:
        for name, value in answer.items():
            setattr(service, name, value)
        assert (await asks.ask(WANT)).problem == problem


async def test_a_slow_one_is_waited_for_no_longer_than_that() -> None:
    """The timeout holds from the question on."""
    async with stand_in() as service, client(service.url, authorizer_timeout_s=0.1) as asks:
        service.gate.clear()
        begun = time.monotonic()
        assert (await asks.ask(WANT)).problem == "timeout"
        assert time.monotonic() - begun < 20


async def test_a_dead_one_is_unreachable() -> None:
    """Nobody listens: that is a problem like others."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        async with client(f"http://127.0.0.1:{held.getsockname()[1]}/") as asks:
            assert (await asks.ask(WANT)).problem == "unreachable"


async def test_only_so_many_questions_are_out() -> None:
    """The others stand in line, and where the line is too slow they are answered without."""
    settings: dict[str, Any] = {"authorizer_concurrency": 2, "authorizer_timeout_s": 0.3, "authorizer_failures": 100}
    async with stand_in() as service, client(service.url, **settings) as asks:
        service.gate.clear()
        found = await asyncio.gather(*(asks.ask(WANT) for _ in range(50)))
        problems = {one.problem for one in found}
        assert problems == {"timeout", "busy"}
        assert service.most_waiting <= 2


async def test_one_that_fails_is_left_alone_for_a_while() -> None:
    """After so many failures it is not asked; then one question tells whether it is back."""
    clock = Clock()
    settings: dict[str, Any] = {"authorizer_failures": 3, "authorizer_pause_s": 10.0}
    async with stand_in() as service, client(service.url, clock, **settings) as asks:
        service.status = 503
        problems = [(await asks.ask(WANT)).problem for _ in range(5)]
        assert problems == ["status", "status", "status", "open", "open"]
        clock.now += 11
        assert [(await asks.ask(WANT)).problem for _ in range(2)] == ["status", "open"]
        clock.now += 11
        service.status = 200
        found = [await asks.ask(WANT) for _ in range(3)]
        assert all(one.verdict is not None for one in found)
        assert len(service.asked) == 3 + 1 + 3


def test_one_question_at_a_time_tells_whether_it_is_back() -> None:
    """While it is open a single question goes out; one that is withdrawn lets the next one go."""
    breaker = Breaker(1, 5.0)
    breaker.told(0.0, answered=False)
    assert [breaker.may_ask(now) for now in (1.0, 4.9, 5.0, 5.1)] == [False, False, True, False]
    breaker.withdrawn()
    assert breaker.may_ask(5.2)
    breaker.told(5.3, answered=True)
    assert not breaker.is_open


async def test_the_tag_stands_in_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    """What fails is logged without the tag."""
    async with stand_in() as service, client(service.url, authorizer_failures=1) as asks:
        service.text = "nonsense"
        await asks.ask(msgspec.structs.replace(WANT, id_tag="SECRETTAG"))
    out = "".join(capsys.readouterr())
    assert "left alone" in out
    assert "SECRETTAG" not in out


async def test_a_kept_connection_that_died_costs_no_answer(service: StandIn) -> None:
    """Where the service closed a connection that was kept, the question is asked once more."""
    async with client(service.url) as asks:
        assert (await asks.ask(WANT)).verdict is not None
        assert asks._session is not None
        for pool in asks._session.connector._conns.values():  # type: ignore[union-attr]
            for protocol, _ in pool:
                assert protocol.transport is not None
                protocol.transport.abort()
        assert (await asks.ask(WANT)).verdict is not None


@pytest.fixture
async def service() -> AsyncIterator[StandIn]:
    """A service that answers."""
    async with stand_in() as made:
        yield made
