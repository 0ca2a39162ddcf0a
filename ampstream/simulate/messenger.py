"""What a station says on its connection: one CALL at a time, calls to people before the backlog of transactions.

The RPC rules are `shared.ocpp.connection`'s, in the station's role: 0.14 KiB a station and 0.8 µs a call beyond the
frames alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import msgspec

from ampstream.simulate.backlog import Backlog, Item
from ampstream.simulate.behaviours import NEVER, PLAIN, Behaviour
from ampstream.simulate.configuration import Configuration
from ampstream.simulate.distortions import distorter
from ampstream.simulate.ledger import Acked, Dropped, Sent
from ampstream.simulate.profiles import random_for
from ampstream.simulate.wheel import Timer
from ampstream.simulate.world import World
from shared.ocpp import events, payloads
from shared.ocpp.connection import Connection
from shared.ocpp.errors import FrameError, NotImplementedAction, OcppError
from shared.ocpp.frames import Payload
from shared.ocpp.messages import Request, Response
from shared.ocpp.v16 import FROM_CSMS, REQUESTS
from shared.ocpp.v16.messages import StartTransactionResponse
from shared.ocpp.versions import OCPP16

CALL_TIMEOUT_S = 30.0

Answered: TypeAlias = Callable[[Any], None]
"""Gets the response to a CALL, None where there is none or it is an error."""
Then: TypeAlias = Callable[[], None] | None
"""What follows an answer of ours, once that is written."""


class Link(Protocol):
    """A socket as a station uses it."""

    def send(self, text: bytes) -> None:
        """Write a text message."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with the handshake."""

    def abort(self) -> None:
        """Drop the connection."""


class Messenger:
    """Calls and answers of one station over the connections that it has one after the other."""

    __slots__ = (
        "_backlog",
        "_calls",
        "_distort",
        "_id_prefix",
        "_in_flight",
        "_link",
        "_rpc",
        "_sequence",
        "_ticker",
        "_waker",
        "behaviour",
        "configuration",
        "station_id",
        "world",
    )

    def __init__(
        self, world: World, station_id: str, configuration: Configuration, behaviour: Behaviour = PLAIN
    ) -> None:
        self.world = world
        self.behaviour = behaviour
        self._distort = distorter(behaviour.distorts)
        self.station_id = station_id
        self.configuration = configuration
        self._backlog = Backlog()
        self._calls: deque[tuple[Request[Any], Answered]] = deque()
        self._in_flight: tuple[type[Response], Answered | Item] | None = None
        self._rpc: Connection | None = None
        self._link: Link | None = None
        self._sequence = 0
        self._id_prefix = f"{random_for(world.seed, station_id, 'ids', world.run).getrandbits(32):08x}"
        self._ticker: Timer | None = None
        self._waker: Timer | None = None

    # --- for a subclass to fill

    def may_call(self) -> bool:
        """Whether calls may go out now (registration)."""
        raise NotImplementedError

    def may_report(self) -> bool:
        """Whether transaction messages may go out now."""
        raise NotImplementedError

    def handle(self, request: Request[Any]) -> tuple[Payload, Then]:
        """Answer a call of the CSMS; may raise `OcppError`."""
        raise NotImplementedError

    def falls_over(self, request: Request[Any]) -> bool:
        """Boot instead of answering, where the station is of that kind."""
        raise NotImplementedError

    def start_answered(self, item: Item, response: StartTransactionResponse) -> None:
        """A transaction has its id."""
        raise NotImplementedError

    # --- saying

    @property
    def queued(self) -> int:
        """Transaction messages that wait."""
        return len(self._backlog)

    def request(self, payload: Request[Any], answered: Answered) -> None:
        """Send a CALL that is no transaction message, after those before it."""
        self._calls.append((payload, answered))
        self._pump()

    def request_first(self, payload: Request[Any], answered: Answered) -> None:
        """Send a CALL ahead of all that wait."""
        self._calls.appendleft((payload, answered))
        self._pump()

    def queue(self, item: Item) -> None:
        """Queue a transaction message, noted already."""
        self._backlog.push(item)
        self._pump()

    def _pump(self) -> None:
        """Send what is next, if anything may go."""
        if self._rpc is None or not self._rpc.can_call or self._in_flight is not None:
            return
        if self._calls and self.may_call():
            payload, answered = self._calls.popleft()
            self._in_flight = (payload.response, answered)
            self._send(payload, self._next_id())
        elif self.may_report():
            wait_s = self._backlog.wait_s(self.world.wheel.now())
            if wait_s == 0:
                self._report(self._backlog.take())
            elif wait_s is not None and self._waker is None:
                self._waker = self.world.wheel.after(wait_s, self._woken)

    def _woken(self) -> None:
        self._waker = None
        self._pump()

    def _report(self, item: Item) -> None:
        """Send a transaction message, once the ledger has it on disk."""
        self._in_flight = (item.payload.response, item)
        message_id, rpc = self._next_id(), self._rpc
        self.world.ledger.note(Sent(item.charging.key, item.what, message_id))

        def send() -> None:
            # The connection may have gone while the ledger was written.
            if self._rpc is rpc and self._in_flight is not None and self._in_flight[1] is item:
                self._send(item.request(), message_id)

        self.world.ledger.then(send)

    def _next_id(self) -> str:
        self._sequence += 1
        return f"{self._id_prefix}-{self._sequence}"

    def _send(self, payload: Request[Any], message_id: str) -> None:
        if self._rpc is None or self._link is None:
            return
        now = self.world.wheel.now()
        said = payload if self._distort is None else self._distort(payload)
        self._link.send(self._rpc.send_call(message_id, payload.action, said, now, CALL_TIMEOUT_S))
        self.world.counters.calls += 1
        if self._ticker is None:
            self._ticker = self.world.wheel.after(CALL_TIMEOUT_S, self._tick)

    def _tick(self) -> None:
        """Let the call time out, or look again when it may: one timer serves all calls."""
        self._ticker = None
        if self._rpc is None:
            return
        now = self.world.wheel.now()
        self._act(self._rpc.tick(now))
        self._rearm(now)

    def _rearm(self, now: float) -> None:
        deadline = self._rpc.next_deadline if self._rpc is not None else None
        if self._ticker is None and deadline is not None:
            self._ticker = self.world.wheel.after(deadline - now, self._tick)

    # --- hearing

    def received(self, text: bytes) -> None:
        """Take a text message."""
        if self._rpc is not None:
            self._act(self._rpc.receive(text, self.world.wheel.now()))

    def _act(self, happened: list[events.Event]) -> None:
        for event in happened:
            match event:
                case events.OutboundAnswered():
                    self._answered(event)
                case events.OutboundFailed():
                    self._failed(event)
                case events.InboundCall():
                    self._handle(event)
                case events.SendFrame(data) | events.BadFrame(reply=bytes(data)):
                    if self._link is not None:
                        self._link.send(data)
                case events.Overflow():
                    if self._link is not None:
                        self._link.close(1008, "too many calls")
                case _:
                    pass

    def _answered(self, event: events.OutboundAnswered) -> None:
        response_type, owner = self._settle()
        try:
            response = msgspec.json.decode(event.payload, type=response_type)
        except msgspec.MsgspecError:
            self.world.counters.errors += 1
            self._not_processed(owner)
            return
        self.world.counters.answered += 1
        if isinstance(owner, Item):
            self._reported(response)
        else:
            owner(response)
        self._pump()

    def _reported(self, response: Response) -> None:
        item = self._backlog.acked()
        if isinstance(response, StartTransactionResponse):
            item.charging.transaction_id = response.transaction_id
            status = response.id_tag_info.status.value
            self.world.ledger.note(Acked(item.charging.key, item.what, response.transaction_id, status))
            self.start_answered(item, response)
        else:
            self.world.ledger.note(Acked(item.charging.key, item.what))

    def _failed(self, event: events.OutboundFailed) -> None:
        _, owner = self._settle()
        if event.reason == events.FailReason.CLOSED:
            if isinstance(owner, Item):
                self._backlog.lost()
            else:
                owner(None)
            return
        if event.reason == events.FailReason.TIMEOUT:
            self.world.counters.timeouts += 1
        else:
            self.world.counters.errors += 1
        self._not_processed(owner)

    def _not_processed(self, owner: Answered | Item) -> None:
        if isinstance(owner, Item):
            attempts = self.configuration.number("TransactionMessageAttempts")
            interval = self.configuration.number("TransactionMessageRetryInterval")
            dropped = self._backlog.failed(self.world.wheel.now(), attempts, interval)
            if dropped is not None:
                self.world.counters.dropped += 1
                self.world.ledger.note(Dropped(dropped.charging.key, dropped.what))
        else:
            owner(None)
        self._pump()

    def _settle(self) -> tuple[type[Response], Answered | Item]:
        assert self._in_flight is not None
        settled, self._in_flight = self._in_flight, None
        return settled

    def _handle(self, call: events.InboundCall) -> None:
        """Answer a call of the CSMS."""
        rpc = self._rpc
        if rpc is None:
            return
        self.world.counters.commands += 1
        answer: Payload | OcppError | FrameError
        then: Then = None
        try:
            request = _read(call)
            if self.falls_over(request):
                return
            answer, then = self.handle(request)
        except (OcppError, FrameError) as error:
            answer = error.with_traceback(None)
        delay_s = self.behaviour.delay_s(call.action)
        if 0 < delay_s < NEVER:
            self.world.wheel.after(delay_s, lambda: self._reply(rpc, call.seq, answer, then))
        else:
            self._reply(rpc, call.seq, answer, then, mute=delay_s == NEVER)

    def _reply(
        self, rpc: Connection, seq: int, answer: Payload | OcppError | FrameError, then: Then, *, mute: bool = False
    ) -> None:
        """Write an answer, unless its connection has gone; `mute` forgets it instead."""
        if self._rpc is not rpc:
            return
        now = self.world.wheel.now()
        if isinstance(answer, (OcppError, FrameError)):
            out = rpc.answer_error(seq, answer, now)
        else:
            out = rpc.answer(seq, answer, now)
        self._act([event for event in out if not (mute and isinstance(event, events.SendFrame))])
        if then is not None:
            then()

    # --- the connection

    def _connect(self) -> None:
        self._rpc = Connection(OCPP16)

    def _disconnect(self) -> None:
        """Forget the connection; calls fail, transaction messages wait for the next."""
        rpc, self._rpc, self._link = self._rpc, None, None
        if rpc is not None:
            self._act(rpc.close())
        if self._in_flight is not None:
            # It waited for the ledger and was never written.
            _, owner = self._settle()
            if isinstance(owner, Item):
                self._backlog.lost()
        waiting = list(self._calls)
        self._calls.clear()
        for _, answered in waiting:
            answered(None)


def _read(call: events.InboundCall) -> Request[Any]:
    """Return the call's typed request; raises what it is answered with."""
    if call.error is not None:
        raise call.error
    if call.action not in FROM_CSMS:
        raise NotImplementedAction(f"{call.action[:50]} is not known")
    return payloads.strict(REQUESTS[call.action], call.payload)
