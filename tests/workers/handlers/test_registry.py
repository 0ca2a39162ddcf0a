"""Handlers: every action that a station may send has one, and each protocol finds its own."""

import pytest

from shared.ocpp import v16
from workers.dispatch import protocols
from workers.handlers.registry import HANDLERS, handles

SERVED = protocols.protocol_of("ocpp1.6")


def test_every_action_of_a_station_is_served() -> None:
    """All 1.6 messages from a station have a handler, the security extension's among them."""
    assert set(SERVED.handlers) == v16.FROM_STATION


def test_transaction_messages_never_get_a_callerror() -> None:
    """The messages that a station throws away after a CALLERROR, and only they, bring a stand-in."""
    stand_ins = {action for action, handler in SERVED.handlers.items() if handler.unreadable is not None}
    assert stand_ins == {"StartTransaction", "StopTransaction", "MeterValues"}


def test_only_what_has_no_key_is_recognised_by_its_message_id() -> None:
    """Repeated CALLs matter for actions with neither business key nor idempotent effect."""
    once = {action for action, handler in SERVED.handlers.items() if handler.once}
    assert once == {"DataTransfer", "SecurityEventNotification"}


def test_only_a_boot_is_served_before_acceptance() -> None:
    """Before it is accepted a station may send BootNotification (OCPP 1.6 §4.2)."""
    assert [action for action, handler in SERVED.handlers.items() if handler.unaccepted] == ["BootNotification"]


def test_what_stations_report_of_the_present_is_not_merged_late() -> None:
    """Of an older session, facts with a key or of the past are merged; what was the present goes to the history."""
    late = {action: handler.late for action, handler in SERVED.handlers.items()}
    assert {action for action, how in late.items() if how == "keep"} == {
        "BootNotification",
        "StatusNotification",
        "FirmwareStatusNotification",
        "SignedFirmwareStatusNotification",
        "DiagnosticsStatusNotification",
        "LogStatusNotification",
    }
    assert {"StartTransaction", "StopTransaction", "MeterValues"} <= {a for a, how in late.items() if how == "run"}


def test_a_protocol_without_handlers_falls_back() -> None:
    """A session whose subprotocol is not known yet is served by the default protocol."""
    assert protocols.protocol_of("") is SERVED


def test_two_handlers_of_one_request_are_an_error() -> None:
    """A request type has one handler."""
    request = next(iter(HANDLERS))

    def other(draft, request):  # type: ignore[no-untyped-def]
        raise AssertionError

    with pytest.raises(ValueError, match="has a handler in"):
        handles(request)(other)
