"""The RPC state machine, rule by rule."""

from __future__ import annotations

import json

import pytest

from shared.ocpp.connection import Connection
from shared.ocpp.errors import (
    BadEnvelope,
    LocalError,
    NotImplementedAction,
    OcppError,
    PropertyConstraintViolation,
)
from shared.ocpp.events import (
    Backpressure,
    FailReason,
    Ignored,
    IgnoreReason,
    InboundCall,
    InboundStuck,
    LateAnswer,
    OutboundAnswered,
    OutboundFailed,
    Overflow,
    SendFrame,
    UnsolicitedAnswer,
)
from shared.ocpp.versions import OCPP16, OCPP21, Version
from tests.ocpp.rpc import EVERY, call, only, sent

# -- inbound calls -----------------------------------------------------------------------------------------------------


def test_a_call_is_released_and_answered() -> None:
    """A CALL reaches the owner with its raw payload and frame, and its answer has its message id."""
    connection = Connection(OCPP16)
    data = '[2,"m1","Authorize",{"idTag":"A"}]'
    event = only(connection.receive(data, 1.0), InboundCall)
    assert (event.seq, event.message_id, event.action, event.frame) == (1, "m1", "Authorize", data)
    assert bytes(event.payload) == b'{"idTag":"A"}'
    assert connection.in_flight == event
    assert sent(only(connection.answer(1, {"x": 1}, 2.0), SendFrame)) == [3, "m1", {"x": 1}]
    assert connection.in_flight is None


def test_calls_are_released_one_at_a_time_in_order() -> None:
    """More CALLs wait, and each answer releases the next."""
    connection = Connection(OCPP16)
    only(connection.receive(call("a"), 0), InboundCall)
    assert connection.receive(call("b"), 0) == []
    assert connection.receive(call("c"), 0) == []
    assert connection.queued == 2
    for seq, this, following in ((1, "a", "b"), (2, "b", "c")):
        events = connection.answer(seq, b"{}", 0)
        assert sent(events[0])[1] == this
        assert only(events[1:], InboundCall).message_id == following
    assert sent(only(connection.answer(3, b"{}", 0), SendFrame))[1] == "c"


def test_the_queue_is_bounded_and_says_so() -> None:
    """A full queue asks to stop reading, one more CALL is lost with notice, and room asks to read on."""
    connection = Connection(OCPP16, max_queued=4)
    for n in range(4):
        connection.receive(call(f"{n}"), 0)
    assert only(connection.receive(call("4"), 0), Backpressure).on
    overflow = only(connection.receive(call("5", "MeterValues"), 0), Overflow)
    assert (overflow.message_id, overflow.action) == ("5", "MeterValues")
    assert len(connection.answer(1, b"{}", 0)) == 2
    released = connection.answer(2, b"{}", 0)
    assert released[-1] == Backpressure(on=False)
    assert [connection.answer(seq, b"{}", 0)[0] for seq in (3, 4, 5)]
    assert connection.in_flight is None


def test_sequence_numbers_have_no_gaps() -> None:
    """A lost or repeated CALL takes no number."""
    connection = Connection(OCPP16, max_queued=1)
    connection.receive(call("a"), 0)
    connection.receive(call("a"), 0)
    connection.receive(call("b"), 0)
    only(connection.receive(call("c"), 0), Overflow)
    assert only(connection.answer(1, b"{}", 0)[1:2], InboundCall).seq == 2
    connection.answer(2, b"{}", 0)
    assert only(connection.receive(call("d"), 0), InboundCall).seq == 3


def test_the_same_call_again_waits_for_the_first_ones_answer() -> None:
    """A repetition, byte for byte, is dropped while the first is handled or waits, and taken after it."""
    connection = Connection(OCPP16)
    connection.receive(call("a"), 0)
    connection.receive(call("b"), 0)
    for message_id in ("a", "b"):
        assert connection.receive(call(message_id), 0) == [Ignored(IgnoreReason.REPEATED_CALL, message_id)]
    connection.answer(1, b"{}", 0)
    connection.answer(2, b"{}", 0)
    assert only(connection.receive(call("a"), 0), InboundCall).seq == 3


def test_a_reused_message_id_is_another_call() -> None:
    """Stations reuse ids (quirk 30): another content is another CALL."""
    connection = Connection(OCPP16)
    connection.receive(call("1", "Heartbeat"), 0)
    assert connection.receive(call("1", "Authorize"), 0) == []
    assert connection.queued == 1


def test_a_stale_answer_changes_nothing() -> None:
    """An answer to a CALL that is not in flight is ignored: emissions may repeat."""
    connection = Connection(OCPP16)
    stale = [Ignored(IgnoreReason.STALE_ANSWER)]
    assert connection.answer(1, b"{}", 0) == stale
    connection.receive(call("a"), 0)
    assert connection.answer(2, b"{}", 0) == stale
    assert connection.answer_error(0, OcppError(), 0) == stale
    assert connection.answer_encoded(7, b"x", 0) == stale
    connection.answer(1, b"{}", 0)
    assert connection.answer(1, b"{}", 0) == stale


def test_an_encoded_answer_goes_as_it_is() -> None:
    """A frame from elsewhere is sent unchanged and releases the next CALL."""
    connection = Connection(OCPP16)
    connection.receive(call("a"), 0)
    connection.receive(call("b"), 0)
    events = connection.answer_encoded(1, b'[3, "a", {}]', 0)
    assert events[0] == SendFrame(b'[3, "a", {}]')
    assert only(events[1:], InboundCall).message_id == "b"


def test_an_owner_that_does_not_answer_is_told_once() -> None:
    """The CALL in flight has a deadline from its release, not from its arrival."""
    connection = Connection(OCPP16, inbound_timeout=20)
    connection.receive(call("a"), 100.0)
    connection.receive(call("b"), 100.0)
    assert connection.next_deadline == 120.0
    assert connection.tick(119.9) == []
    assert only(connection.tick(120.0), InboundStuck) == InboundStuck(1, "a", "Heartbeat", 20.0)
    assert connection.tick(130.0) == []
    deadlines = [connection.next_deadline]
    connection.answer(1, b"{}", 140.0)
    deadlines.append(connection.next_deadline)
    assert deadlines == [None, 160.0]
    assert only(connection.tick(160.0), InboundStuck).message_id == "b"


@EVERY
def test_an_error_goes_out_in_the_versions_spelling(version: Version) -> None:
    """A CALLERROR has code, description and details."""
    connection = Connection(version)
    connection.receive(call("a"), 0)
    connection.receive(call("b"), 0)
    events = connection.answer_error(1, NotImplementedAction("no such action", {"x": 1}), 0)
    assert sent(events[0]) == [4, "a", "NotImplemented", "no such action", {"x": 1}]
    event = connection.answer_error(2, BadEnvelope("broken"), 0)[0]
    assert sent(event)[2] == ("FormationViolation" if version is OCPP16 else "RpcFrameworkError")
    connection.receive(call("c"), 0)
    event = connection.answer_error(3, PropertyConstraintViolation("x: no"), 0)[0]
    assert sent(event) == [4, "c", "PropertyConstraintViolation", "x: no", {}]


# -- outbound calls ----------------------------------------------------------------------------------------------------


def test_our_call_gets_its_result() -> None:
    """The result is matched by message id, with the time that it took."""
    connection = Connection(OCPP16)
    assert connection.can_call
    data = connection.send_call("c1", "Reset", {"type": "Soft"}, 10.0, 30.0)
    assert json.loads(data) == [2, "c1", "Reset", {"type": "Soft"}]
    assert connection.outstanding == "c1"
    answered = only(connection.receive('[3,"c1",{"status":"Accepted"}]', 12.5), OutboundAnswered)
    assert (answered.message_id, answered.action, answered.seconds) == ("c1", "Reset", 2.5)
    assert bytes(answered.payload) == b'{"status":"Accepted"}'
    assert connection.can_call


def test_our_call_gets_an_error_of_any_code() -> None:
    """A CALLERROR ends the CALL with its code as it was spelt (quirk 10)."""
    connection = Connection(OCPP16)
    connection.send_call("c1", "Reset", b"{}", 0, 30.0)
    failed = only(connection.receive('[4,"c1","Oops","why",{"a":1}]', 1), OutboundFailed)
    assert (failed.reason, failed.code, failed.description, bytes(failed.details)) == (
        *(FailReason.ERROR, "Oops", "why", b'{"a":1}'),
    )
    assert connection.can_call


def test_only_one_call_is_outstanding() -> None:
    """A second CALL is our own mistake (OCPP-J 1.6 §4.1.1)."""
    connection = Connection(OCPP16)
    connection.send_call("c1", "Reset", b"{}", 0, 30.0)
    assert not connection.can_call
    with pytest.raises(LocalError, match="outstanding"):
        connection.send_call("c2", "Reset", b"{}", 0, 30.0)
    assert connection.outstanding == "c1"


def test_our_call_times_out_and_its_answer_is_late() -> None:
    """After the deadline the CALL has failed; its answer is told apart from an unsolicited one, once."""
    connection = Connection(OCPP16)
    connection.send_call("c1", "Reset", b"{}", 10.0, 30.0)
    assert connection.next_deadline == 40.0
    assert connection.tick(39.9) == []
    assert only(connection.tick(40.0), OutboundFailed).reason is FailReason.TIMEOUT
    assert connection.tick(41.0) == []
    assert connection.can_call
    connection.send_call("c2", "Reset", b"{}", 50.0, 30.0)
    late = only(connection.receive('[3,"c1",{}]', 60), LateAnswer)
    assert (late.message_id, late.action) == ("c1", "Reset")
    assert connection.outstanding == "c2"
    only(connection.receive('[3,"c1",{}]', 60), UnsolicitedAnswer)
    assert connection.outstanding == "c2"


def test_late_calls_are_remembered_within_bounds() -> None:
    """A peer that never answers costs a bounded memory; the oldest go first."""
    connection = Connection(OCPP16)
    for n in range(100):
        connection.send_call(f"c{n}", "Reset", b"{}", n, 0.5)
        connection.tick(n + 0.5)
    only(connection.receive('[3,"c0",{}]', 200), UnsolicitedAnswer)
    only(connection.receive('[4,"c99","X","",{}]', 200), LateAnswer)


def test_an_answer_to_nothing_is_unsolicited() -> None:
    """It ends no CALL and is no error."""
    connection = Connection(OCPP16)
    event = only(connection.receive('[3,"?",{}]', 0), UnsolicitedAnswer)
    assert event.message_id == "?"
    connection.send_call("c1", "Reset", b"{}", 0, 30.0)
    only(connection.receive('[4,"?","X","",{}]', 0), UnsolicitedAnswer)
    assert connection.outstanding == "c1"


def test_the_earlier_of_two_deadlines_counts() -> None:
    """Both directions have their deadline."""
    connection = Connection(OCPP16, inbound_timeout=20)
    connection.send_call("c1", "Reset", b"{}", 0, 30.0)
    connection.receive(call("a"), 5)
    assert connection.next_deadline == 25
    assert [type(event) for event in connection.tick(30)] == [OutboundFailed, InboundStuck]


def test_calls_cross() -> None:
    """A CALL of the peer is taken while ours is outstanding (OCPP-J 1.6 §4.1.1, note)."""
    connection = Connection(OCPP16)
    connection.send_call("x", "Reset", b"{}", 0, 30.0)
    only(connection.receive(call("x"), 0), InboundCall)
    assert sent(connection.answer(1, b"{}", 0)[0]) == [3, "x", {}]
    only(connection.receive('[3,"x",{}]', 0), OutboundAnswered)


# -- the end -----------------------------------------------------------------------------------------------------------


def test_the_close_ends_everything() -> None:
    """Our CALL fails, the peer's are dropped, and nothing is taken or sent any more."""
    connection = Connection(OCPP21)
    connection.send_call("c1", "Reset", b"{}", 0, 30.0)
    connection.receive(call("a"), 0)
    connection.receive(call("b"), 0)
    assert only(connection.close(), OutboundFailed).reason is FailReason.CLOSED
    assert connection.close() == []
    assert (connection.in_flight, connection.queued, connection.next_deadline) == (None, 0, None)
    assert connection.receive(call("c"), 0) == [Ignored(IgnoreReason.CLOSED)]
    assert connection.answer(1, b"{}", 0) == [Ignored(IgnoreReason.STALE_ANSWER)]
    assert connection.tick(1e9) == []
    assert not connection.can_call
    with pytest.raises(LocalError, match="closed"):
        connection.send_call("c2", "Reset", b"{}", 0, 30.0)
    with pytest.raises(LocalError, match="closed"):
        connection.send_unconfirmed("s", "X", b"{}")
