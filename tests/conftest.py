"""Fixtures for every test: one real Valkey per test process, emptied before each test that asks for it."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

import hypothesis
import pytest
import redis
import redis.asyncio

from ampstream import loop
from shared import metrics, series
from shared.bus.lane import Lane
from shared.settings import Settings, load
from tests.support import ValkeyServer, running_valkey

PRODUCTION: Final = loop.factory()
# A slow machine is no finding; how long something may take is asked where that is the subject.
hypothesis.settings.register_profile("ampstream", deadline=None)
hypothesis.settings.load_profile("ampstream")


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A Valkey for the whole session, durable as in production; a test that kills one starts its own."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def redis_url(valkey_server: ValkeyServer) -> str:
    """The URL of a Valkey without any key in it, its configuration as at its start."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
        client.script_flush()
    return valkey_server.url


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    """A plain client of the empty Valkey, bytes in and out."""
    client = redis.asyncio.Redis.from_url(redis_url)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
async def lane(redis_url: str) -> AsyncIterator[Lane]:
    """A lane of the test's own to the empty Valkey."""
    made = await Lane.open(redis_url, name="test")
    yield made
    await made.close()


@pytest.fixture
def settings(redis_url: str) -> Settings:
    """Settings of a process under test: the empty Valkey, any free port."""
    return load(
        {
            "AMPSTREAM_REDIS_URL": redis_url,
            "AMPSTREAM_STATION_PORT": "0",
            "AMPSTREAM_HTTP_PORT": "0",
            "AMPSTREAM_WORKER_PORT": "0",
        }
    )


@pytest.fixture(autouse=True)
def _fresh_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin each test with every metric at 0, and let an undeclared label value fail it."""
    monkeypatch.setattr(series, "STRICT", True)
    metrics.REGISTRY.reset()


def pytest_collection_finish() -> None:
    """Take five thousand collected tests out of the collector's sight: a sixth of the CPU of what follows."""
    gc.collect()
    gc.freeze()


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the edge's tests on the loop of production, whose transports differ from asyncio's.

    The others run on asyncio's own: uvloop's close has been seen to wait for ever, and they close a loop per test. All
    tests with real processes have them on uvloop.
    """
    production = PRODUCTION if "edge" in item.path.parts else None
    return {"uvloop" if production else "asyncio": production or asyncio.new_event_loop}
