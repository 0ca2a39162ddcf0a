"""What the tutorial needs of a real Valkey: one connection to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.bus.lane import Lane


@pytest.fixture
async def lane(redis_url: str) -> AsyncIterator[Lane]:
    """A connection to an empty Valkey."""
    made = await Lane.open(redis_url, name="tutorial")
    yield made
    await made.close()
