"""Fixtures of the sites' tests."""

import pytest

from shared import metrics
from shared.ocpp.actions import actions_of
from shared.ocpp.versions import OCPP16


@pytest.fixture(autouse=True)
def _actions() -> None:
    """Name the actions that may be counted."""
    actions = actions_of(OCPP16)
    metrics.register_actions(actions.from_station, actions.from_csms)
