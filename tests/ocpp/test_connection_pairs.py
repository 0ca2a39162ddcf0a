"""Two state machines back to back, station and CSMS, over wires that lose, repeat and reorder frames."""

from __future__ import annotations

import json
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.ocpp import frames
from shared.ocpp.connection import Connection
from shared.ocpp.errors import LocalError, NotSupported
from shared.ocpp.events import (
    Backpressure,
    Event,
    FailReason,
    Ignored,
    InboundCall,
    InboundStuck,
    LateAnswer,
    OutboundAnswered,
    OutboundFailed,
    Overflow,
    SendFrame,
    UnsolicitedAnswer,
)
from shared.ocpp.versions import OCPP16, OCPP21, OCPP201, Version

MAX_QUEUED = 3
SIDES = st.sampled_from((0, 1))


class Side:
    """One end: its machine, the wire to it, and a model of what it must know."""

    def __init__(self, version: Version, name: str, overflow: int) -> None:
        self.name = name
        self.overflow = overflow
        self.machine = Connection(version, max_queued=MAX_QUEUED, overflow=overflow, inbound_timeout=5)
        self.wire: deque[bytes] = deque()
        self.sent: dict[str, str] = {}
        self.ended: dict[str, str] = {}
        self.last_seq = 0
        self.in_flight: InboundCall | None = None
        self.paused = False


class Pair(RuleBasedStateMachine):
    """Every rule is something that an owner or a network may do; the checks are what must hold all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.count = 0
        self.sides: tuple[Side, ...] = ()

    @initialize(version=st.sampled_from((OCPP16, OCPP201, OCPP21)), overflow=st.sampled_from((0, 2)))
    def connect(self, version: Version, overflow: int) -> None:
        """Set up both ends; the CSMS may keep some of what comes in spite of back-pressure."""
        self.sides = (Side(version, "station", 0), Side(version, "csms", overflow))

    def take(self, side: Side, events: list[Event]) -> None:
        """Do as the owner does with what its machine tells."""
        for event in events:
            match event:
                case SendFrame(data):
                    self.sides[1 - self.sides.index(side)].wire.append(data)
                case InboundCall():
                    assert side.in_flight is None, "two calls are with the owner"
                    assert event.seq == side.last_seq + 1, "released out of order"
                    side.in_flight, side.last_seq = event, event.seq
                case Backpressure(on=on):
                    assert side.paused is not on
                    side.paused = on
                case Overflow():
                    assert side.paused
                case Ignored() | InboundStuck():
                    pass
                case _:
                    self.take_answer(side, event)

    def take_answer(self, side: Side, event: Event) -> None:
        """Check what became of a CALL of ours."""
        match event:
            case OutboundAnswered(message_id=key, payload=payload):
                # The answer is the one to this very call.
                assert json.loads(bytes(payload)) == {"to": side.sent[key]}
                self.end(side, key, "answered")
            case OutboundFailed(message_id=key, reason=reason):
                self.end(side, key, reason)
            case LateAnswer(message_id=key):
                assert side.ended[key] == FailReason.TIMEOUT
            case UnsolicitedAnswer(message_id=key):
                assert key in side.ended, "an answer to what was never asked"
            case _:
                raise AssertionError(event)

    def end(self, side: Side, key: str, how: str) -> None:
        """Note how a call of ours ended: once."""
        assert key in side.sent
        assert key not in side.ended, "a call ended twice"
        side.ended[key] = how

    @rule(which=SIDES, timeout=st.sampled_from((2.0, 10.0)))
    def call(self, which: int, timeout: float) -> None:
        """Send a CALL, or be refused while one is outstanding."""
        side = self.sides[which]
        self.count += 1
        key = f"{side.name}-{self.count}"
        free = len(side.sent) == len(side.ended)
        assert side.machine.can_call is free
        try:
            data = side.machine.send_call(key, "Echo", {"key": key}, self.now, timeout)
        except LocalError:
            assert not free
            return
        assert free
        side.sent[key] = key
        self.sides[1 - which].wire.append(data)

    @rule()
    def call_from_elsewhere(self) -> None:
        """Let the CSMS carry a CALL that a worker encoded and times: the one before has failed there."""
        side = self.sides[1]
        self.count += 1
        key = f"{side.name}-{self.count}"
        if side.machine.outstanding is not None:
            self.end(side, side.machine.outstanding, FailReason.TIMEOUT)
        side.machine.call_encoded(key, self.now)
        side.sent[key] = key
        self.sides[0].wire.append(frames.encode_call(key, "Echo", {"key": key}))

    @rule(which=SIDES, error=st.booleans())
    def answer(self, which: int, error: bool) -> None:
        """Answer the CALL that the owner has."""
        side = self.sides[which]
        if side.in_flight is None:
            return
        flight, side.in_flight = side.in_flight, None
        key = json.loads(bytes(flight.payload))["key"]
        if error:
            self.take(side, side.machine.answer_error(flight.seq, NotSupported("no"), self.now))
        else:
            self.take(side, side.machine.answer(flight.seq, {"to": key}, self.now))

    @rule(which=SIDES, seq=st.integers(0, 5))
    def answer_wrongly(self, which: int, seq: int) -> None:
        """Answer what is not in flight."""
        side = self.sides[which]
        if side.in_flight is None or side.in_flight.seq != seq:
            (event,) = side.machine.answer(seq, b"{}", self.now)
            assert isinstance(event, Ignored)

    @precondition(lambda self: any(side.wire for side in self.sides))
    @rule(which=SIDES)
    def deliver(self, which: int) -> None:
        """Deliver the next frame."""
        side = self.sides[which]
        if side.wire:
            self.take(side, side.machine.receive(side.wire.popleft(), self.now))

    @rule(which=SIDES, how=st.sampled_from(("lose", "repeat", "turn")))
    def disturb(self, which: int, how: str) -> None:
        """Lose, repeat or reorder what is on the wire."""
        wire = self.sides[which].wire
        if wire and how == "lose":
            wire.popleft()
        elif wire and how == "repeat":
            wire.append(wire[0])
        else:
            wire.rotate(1)

    @rule(seconds=st.sampled_from((0.5, 3.0, 20.0)))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        for side in self.sides:
            self.take(side, side.machine.tick(self.now))

    @invariant()
    def bounded_and_in_step(self) -> None:
        """The queue is bounded, one CALL is outstanding at most, and machine and owner agree on what is in flight."""
        for side in self.sides:
            assert side.machine.queued <= MAX_QUEUED + side.overflow
            assert side.machine.paused is side.paused
            assert len(side.sent) - len(side.ended) <= 1
            assert side.machine.in_flight == side.in_flight
            deadline = side.machine.next_deadline
            assert deadline is None or deadline > self.now - 20

    def teardown(self) -> None:
        """After the close every CALL has ended."""
        for side in self.sides:
            self.take(side, side.machine.close())
            assert side.sent.keys() == side.ended.keys()


TestPair = Pair.TestCase
TestPair.settings = settings(max_examples=60, stateful_step_count=60, deadline=None, database=None)


@settings(max_examples=100, deadline=None)
@given(
    version=st.sampled_from((OCPP16, OCPP201, OCPP21)),
    frames_in=st.lists(
        st.binary(max_size=40)
        | st.sampled_from(
            (
                *(b'[2,"a","X",{}]', b'[2,"b","Y",{}]', b'[3,"a",{}]', b'[4,"a","E","",{}]', b'[5,"a","E","",{}]'),
                *(b'[6,"a","X",{}]', b'[9,"a"]', b"", b"[]", b'[2,"a"', b'[3,"a"', b'[2,"a","X",{},1]', b'[6,"a"]'),
            )
        ),
        max_size=30,
    ),
)
def test_no_frames_break_the_machine(version: Version, frames_in: list[bytes]) -> None:
    """Whatever comes in, the machine raises nothing, stays bounded, and can still be used."""
    machine = Connection(version, max_queued=MAX_QUEUED)
    for now, data in enumerate(frames_in):
        machine.receive(data, now)
        assert machine.queued <= MAX_QUEUED
    while (flight := machine.in_flight) is not None:
        machine.answer(flight.seq, b"{}", 100)
    machine.send_call("ours", "X", b"{}", 100, 1)
    (event,) = machine.receive(b'[3,"ours",{}]', 101)
    assert isinstance(event, OutboundAnswered)
