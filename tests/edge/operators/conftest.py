"""The stage of every test here."""

from collections.abc import AsyncIterator

import pytest

from shared.settings import Settings
from tests.edge.operators.stage import Stage, running


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    """A running listener on an empty Valkey."""
    async with running(settings) as found:
        yield found
