"""What tests of the RPC state machine say to it, and how they look at what it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest

from shared.ocpp import frames
from shared.ocpp.events import Event, SendFrame
from shared.ocpp.versions import VERSIONS

E = TypeVar("E")
EVERY = pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda v: v.name)


def call(message_id: str, action: str = "Heartbeat") -> bytes:
    """Return a CALL as the peer sends it."""
    return frames.encode_call(message_id, action)


def only(events: Sequence[Event], kind: type[E]) -> E:
    """Return the only event, of the kind expected."""
    assert len(events) == 1, events
    assert isinstance(events[0], kind), events
    return events[0]


def sent(event: Event) -> Any:
    """Return what a SendFrame holds."""
    assert isinstance(event, SendFrame)
    return json.loads(event.data)
