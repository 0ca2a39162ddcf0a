"""The RPC state machine: frames that are none, or none that fits; and what only 2.1 has."""

from __future__ import annotations

import json

import pytest

from shared.ocpp.connection import Connection
from shared.ocpp.errors import (
    BadEnvelope,
    LocalError,
    NotJson,
)
from shared.ocpp.events import (
    BadFrame,
    FailReason,
    Ignored,
    IgnoreReason,
    InboundCall,
    InboundSend,
    OutboundFailed,
    ResultRejected,
    SendFrame,
)
from shared.ocpp.versions import OCPP16, OCPP21, OCPP201, Version
from tests.ocpp.rpc import EVERY, call, only

# -- bad frames --------------------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("data", [b"", b"hello", b"{}", b'[2,7,"Heartbeat",{}]', b"[" * 1000])
def test_an_unreadable_frame_has_an_answer_in_2x_only(version: Version, data: bytes) -> None:
    """Without a message id 1.6 has no answer; 2.x answers to "-1" (OCPP-J 2.0.1 §4.2.3)."""
    bad = only(Connection(version).receive(data, 0), BadFrame)
    assert bad.frame == data
    assert bad.reason in {"not_json", "bad_envelope", "too_deep"}
    if version is OCPP16:
        assert bad.reply is None
    else:
        assert bad.reply is not None
        assert json.loads(bad.reply)[:3] == [4, "-1", "RpcFrameworkError"]


@EVERY
@pytest.mark.parametrize(
    ("data", "action"),
    [
        (b'[2,"m","StartTransaction",{"connectorId":1', "StartTransaction"),
        (b'[2,"m","StartTransaction",{},1]', "StartTransaction"),
        (b'[2,"m","StartTransaction","x"]', "StartTransaction"),
        (b'[2,"m"]', ""),
    ],
)
def test_a_broken_call_with_an_id_takes_its_turn(version: Version, data: bytes, action: str) -> None:
    """The owner decides on its answer; the plain one is a CALLERROR with its message id."""
    connection = Connection(version)
    connection.receive(call("first"), 0)
    assert connection.receive(data, 0) == []
    broken = only(connection.answer(1, b"{}", 0)[1:], InboundCall)
    assert (broken.seq, broken.message_id, broken.action, broken.frame) == (2, "m", action, data)
    assert isinstance(broken.error, (NotJson, BadEnvelope))
    expected = "FormationViolation" if version is OCPP16 else "RpcFrameworkError"
    reply = connection.reply_to(broken.error)
    assert reply is not None
    assert json.loads(reply)[:3] == [4, "m", expected]
    assert connection.answer_error(2, broken.error, 0) == [SendFrame(reply)]


@EVERY
@pytest.mark.parametrize("data", [b'[3,"c1"]', b'[3,"c1","x"]', b'[3,"c1",{"a":', b'[4,"c1"]'])
def test_a_broken_answer_ends_our_call_and_is_not_answered(version: Version, data: bytes) -> None:
    """No other answer will come, and an answer is never answered."""
    connection = Connection(version)
    connection.send_call("c1", "Reset", b"{}", 0, 30.0)
    bad, failed = connection.receive(data, 0)
    assert isinstance(bad, BadFrame)
    assert bad.reply is None
    assert isinstance(failed, OutboundFailed)
    assert failed.reason is FailReason.BAD_ANSWER
    assert connection.can_call


def test_a_broken_answer_to_nothing_ends_nothing() -> None:
    """It is a bad frame only."""
    connection = Connection(OCPP16)
    connection.send_call("c1", "Reset", b"{}", 0, 30.0)
    assert only(connection.receive(b'[3,"other"]', 0), BadFrame).reply is None
    assert connection.outstanding == "c1"


@pytest.mark.parametrize("data", ['[1,"m",{}]', '[7,"m",{}]', '[-1,"m"]'])
@EVERY
def test_an_unknown_message_type_is_answered_in_2_0_1_only(version: Version, data: str) -> None:
    """1.6 and 2.1 ignore it, 2.0.1 says MessageTypeNotSupported (OCPP-J 2.0.1 §4.4)."""
    events = Connection(version).receive(data, 0)
    if version is OCPP201:
        reply = only(events, BadFrame).reply
        assert reply is not None
        assert json.loads(reply)[:3] == [4, "m", "MessageTypeNotSupported"]
    else:
        assert events == [Ignored(IgnoreReason.UNKNOWN_MESSAGE_TYPE, "m")]


def test_an_unknown_message_type_without_an_id_is_answered_to_minus_one() -> None:
    """2.0.1 answers even what has no id."""
    reply = only(Connection(OCPP201).receive("[9]", 0), BadFrame).reply
    assert reply is not None
    assert json.loads(reply)[:3] == [4, "-1", "MessageTypeNotSupported"]


@pytest.mark.parametrize("data", ['[6,"m","X",{}]', '[6,"m","X"]', '[5,"m","X","",{}]', '[5,"m"]'])
def test_the_types_of_2_1_are_unknown_before_it(data: str) -> None:
    """SEND and CALLRESULTERROR, whole or broken, are unknown types to 1.6 and 2.0.1."""
    assert Connection(OCPP16).receive(data, 0) == [Ignored(IgnoreReason.UNKNOWN_MESSAGE_TYPE, "m")]
    reply = only(Connection(OCPP201).receive(data, 0), BadFrame).reply
    assert reply is not None
    assert json.loads(reply)[:3] == [4, "m", "MessageTypeNotSupported"]


# -- 2.1 ---------------------------------------------------------------------------------------------------------------


def test_a_send_passes_at_once_and_is_never_answered() -> None:
    """A SEND does not wait behind a CALL, and is no CALL in flight (OCPP-J 2.1 §4.2.4)."""
    connection = Connection(OCPP21)
    connection.receive(call("a"), 0)
    event = only(connection.receive('[6,"s","NotifyPeriodicEventStream",{"id":1}]', 0), InboundSend)
    assert (event.seq, event.message_id, event.action) == (2, "s", "NotifyPeriodicEventStream")
    assert connection.answer(2, b"{}", 0) == [Ignored(IgnoreReason.STALE_ANSWER)]
    assert only(connection.receive('[6,"s"]', 0), BadFrame).reply is None
    only(connection.answer(1, b"{}", 0), SendFrame)


def test_a_rejected_result_is_reported() -> None:
    """A CALLRESULTERROR is told to the owner; a broken one is not answered."""
    connection = Connection(OCPP21)
    rejected = only(connection.receive('[5,"m","FormatViolation","no",{}]', 0), ResultRejected)
    assert (rejected.message_id, rejected.code, rejected.description) == ("m", "FormatViolation", "no")
    assert only(connection.receive('[5,"m"]', 0), BadFrame).reply is None


def test_a_send_of_ours_needs_2_1() -> None:
    """SEND goes out in 2.1 also while a CALL is outstanding, and is our mistake elsewhere."""
    connection = Connection(OCPP21)
    connection.send_call("c1", "Reset", b"{}", 0, 30.0)
    assert json.loads(connection.send_unconfirmed("s", "X", b"{}")) == [6, "s", "X", {}]
    for version in (OCPP16, OCPP201):
        with pytest.raises(LocalError, match="no SEND"):
            Connection(version).send_unconfirmed("s", "X", b"{}")
