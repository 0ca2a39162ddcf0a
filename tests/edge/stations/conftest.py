"""The stations' listener under test: real sockets, a real Valkey, a worker that only answers."""

from collections.abc import AsyncIterator

import pytest

from tests.edge.stations.rig import Rig, running_edge


@pytest.fixture
async def rig(redis_url: str) -> AsyncIterator[Rig]:
    """One node that accepts strangers."""
    async with running_edge(redis_url) as running:
        yield running
