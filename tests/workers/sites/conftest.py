"""Fixtures of the sites' tests."""

from collections.abc import AsyncIterator

import pytest

from shared import metrics
from shared.bus.lane import Lane
from shared.ocpp.actions import actions_of
from shared.ocpp.versions import OCPP16


@pytest.fixture(autouse=True)
def _actions() -> None:
    """Name the actions that may be counted."""
    actions = actions_of(OCPP16)
    metrics.register_actions(actions.from_station, actions.from_csms)


@pytest.fixture
async def lane(redis_url: str) -> AsyncIterator[Lane]:
    """A lane of the test's own to the empty Valkey."""
    lane = await Lane.open(redis_url, name="test")
    yield lane
    await lane.close()
