"""The RPC state machine of an owner that only carries frames: what a read brought, CALLs encoded elsewhere, numbers."""

from __future__ import annotations

import pytest

from shared.ocpp import frames
from shared.ocpp.connection import Connection
from shared.ocpp.errors import LocalError, TooDeep
from shared.ocpp.events import (
    Backpressure,
    FailReason,
    InboundCall,
    InboundSend,
    LateAnswer,
    OutboundAnswered,
    OutboundFailed,
    Overflow,
    SendFrame,
    UnsolicitedAnswer,
)
from shared.ocpp.versions import OCPP16, OCPP21
from tests.ocpp.rpc import call, only, sent


def test_what_was_read_before_the_reading_stopped_is_taken() -> None:
    """Beyond the full queue `overflow` CALLs are kept, in order, the next is lost; reading goes on at half of it."""
    connection = Connection(OCPP16, max_queued=2, overflow=3)
    connection.receive(call("0"), 0)
    assert connection.receive(call("1"), 0) == []
    assert only(connection.receive(call("2"), 0), Backpressure).on
    assert [connection.receive(call(f"{n}"), 0) for n in (3, 4, 5)] == [[], [], []]
    assert only(connection.receive(call("6"), 0), Overflow).message_id == "6"
    assert (connection.queued, connection.paused) == (5, True)
    for seq in (1, 2, 3):
        answered, released = connection.answer(seq, b"{}", 0)
        assert (sent(answered)[1], only([released], InboundCall).message_id) == (f"{seq - 1}", f"{seq}")
    assert connection.answer(4, b"{}", 0)[-1] == Backpressure(on=False)
    assert not connection.paused


def test_a_call_encoded_elsewhere_gets_its_answer() -> None:
    """It is outstanding from the moment when it is written, and without a timeout no time ends it."""
    connection = Connection(OCPP16)
    connection.call_encoded("c1", 10.0, action="Reset")
    assert (connection.outstanding, connection.can_call, connection.next_deadline) == ("c1", False, None)
    assert connection.tick(1e9) == []
    answered = only(connection.receive('[3,"c1",{}]', 12.5), OutboundAnswered)
    assert (answered.message_id, answered.action, answered.seconds) == ("c1", "Reset", 2.5)
    only(connection.receive('[3,"c1",{}]', 13.0), UnsolicitedAnswer)


def test_a_call_encoded_elsewhere_may_have_a_timeout() -> None:
    """Then it ends as any other."""
    connection = Connection(OCPP16, inbound_timeout=20)
    connection.call_encoded("c1", 10.0, timeout=5.0)
    connection.receive(call("a"), 10.0)
    assert connection.next_deadline == 15.0
    assert only(connection.tick(15.0), OutboundFailed).reason is FailReason.TIMEOUT
    assert connection.next_deadline == 30.0


def test_the_next_call_from_elsewhere_tells_that_the_one_before_has_failed() -> None:
    """Whoever times it sends another only then: the first one's answer is late, the second one's is not."""
    connection = Connection(OCPP16)
    connection.call_encoded("c1", 0.0)
    connection.call_encoded("c2", 30.0)
    assert only(connection.receive('[3,"c1",{}]', 31.0), LateAnswer).message_id == "c1"
    assert connection.outstanding == "c2"
    only(connection.receive('[4,"c2","X","",{}]', 32.0), OutboundFailed)


def test_the_same_call_from_elsewhere_again_is_not_late() -> None:
    """A command that may be repeated is outstanding under its id again."""
    connection = Connection(OCPP16)
    for at, message_id in enumerate(("c1", "c2", "c1")):
        connection.call_encoded(message_id, at)
    only(connection.receive('[3,"c1",{}]', 4.0), OutboundAnswered)
    only(connection.receive('[3,"c1",{}]', 4.0), UnsolicitedAnswer)
    only(connection.receive('[3,"c2",{}]', 4.0), LateAnswer)


def test_no_call_from_elsewhere_is_noted_after_the_close() -> None:
    """Nothing is written any more."""
    connection = Connection(OCPP16)
    connection.call_encoded("c1", 0.0)
    assert only(connection.close(), OutboundFailed).reason is FailReason.CLOSED
    with pytest.raises(LocalError, match="closed"):
        connection.call_encoded("c2", 1.0)


def test_the_nesting_bound_is_the_owners_choice() -> None:
    """A CALL that is too deep for it takes its turn where its id can be read: its owner knows what to answer."""
    connection = Connection(OCPP16, max_depth=5)
    data = b'[2,"m","StartTransaction",{"a":[[[[]]]]}]'
    broken = only(connection.receive(data, 0), InboundCall)
    assert (broken.message_id, broken.action, broken.frame) == ("m", "StartTransaction", data)
    assert isinstance(broken.error, TooDeep)
    assert only(Connection(OCPP16, max_depth=6).receive(data, 0), InboundCall).error is None


def test_what_is_unanswered_can_be_told_with_its_age() -> None:
    """The CALL in flight and those behind it, each with the time when it came."""
    connection = Connection(OCPP16)
    assert not connection.unanswered
    for at, message_id in enumerate("abc"):
        connection.receive(call(message_id), float(at))
    connection.answer(1, b"{}", 7.0)
    assert [(each.message_id, each.received_at) for each in connection.unanswered] == [("b", 1.0), ("c", 2.0)]
    connection.close()
    assert not connection.unanswered


def test_numbers_follow_the_order_of_release() -> None:
    """A SEND that passes a waiting CALL has the lower number: who sees the higher one has seen all below it."""
    connection = Connection(OCPP21)
    send = frames.encode_send("s", "NotifyPeriodicEventStream")
    connection.receive(call("a"), 0)
    connection.receive(call("b"), 0)
    assert only(connection.receive(send, 0), InboundSend).seq == 2
    connection.receive(call("c"), 0)
    seqs = []
    for _ in range(3):
        flight = connection.in_flight
        assert flight is not None
        seqs.append((flight.message_id, flight.seq))
        assert isinstance(connection.answer(flight.seq, b"{}", 0)[0], SendFrame)
    assert seqs == [("a", 1), ("b", 3), ("c", 4)]
