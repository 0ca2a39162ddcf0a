"""Fixtures of the sweeps' tests."""

from collections.abc import AsyncIterator

import pytest

from shared.bus.lane import Lane


@pytest.fixture
async def lane(redis_url: str) -> AsyncIterator[Lane]:
    """A lane of the test's own to the empty Valkey."""
    lane = await Lane.open(redis_url, name="test")
    yield lane
    await lane.close()
