"""A simulated station without a socket: a test turns its time and plays the CSMS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ampstream.simulate.behaviours import PLAIN, Behaviour
from ampstream.simulate.chargepoint import ChargePoint
from ampstream.simulate.ledger import MemoryLedger
from ampstream.simulate.models import MODELS, Model
from ampstream.simulate.profiles import PROFILES
from ampstream.simulate.wheel import ManualWheel
from ampstream.simulate.world import World
from shared.ocpp import frames
from shared.ocpp.timestamps import format_time

EPOCH_MS = 1_700_000_000_000
RESULTS: dict[str, dict[str, Any]] = {
    "BootNotification": {"status": "Accepted", "currentTime": "2024-01-01T00:00:00Z", "interval": 300},
    "Heartbeat": {"currentTime": "2024-01-01T00:00:00Z"},
    "StatusNotification": {},
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
    "MeterValues": {},
    "StopTransaction": {},
}


class Sent(msgspec.Struct, frozen=True):
    """One CALL as it was written, and when."""

    at: float
    message_id: str
    action: str
    payload: dict[str, Any]


class Played:
    """A station, its time and its CSMS; also the dialler, and the socket."""

    def __init__(
        self,
        *,
        seed: str = "1",
        profile: str = "steady",
        station: str = "SIM-00001",
        model: Model = MODELS[1],
        behaviour: Behaviour = PLAIN,
    ) -> None:
        self.wheel = ManualWheel()
        self.ledger = MemoryLedger()
        self.world = World(
            self.wheel,
            PROFILES[profile],
            seed=seed,
            tags=("TAG1", "TAG2"),
            ledger=self.ledger,
            wall_ms=lambda: EPOCH_MS + round(self.wheel.now() * 1000),
        )
        self.cp = ChargePoint(self.world, self, station, model, behaviour)
        self.calls: list[Sent] = []
        self.answers: list[Any] = []
        self.asked = 0
        self.reachable = True
        self.mute: Callable[[Sent], bool] = lambda _sent: False
        """Calls that get no answer."""
        self.errors: Callable[[Sent], bool] = lambda _sent: False
        """Calls that get a CALLERROR."""
        self.results = dict(RESULTS)
        self.starts: dict[str, int] = {}
        self.open = False
        self.dials = 0

    # --- dialler and link

    def dial(self, station: ChargePoint) -> None:
        self.dials += 1
        self.wheel.after(0.05, self._arrive)

    def _arrive(self) -> None:
        if self.reachable:
            self.open = True
            self.cp.attach(self)
            self.cp.opened("ocpp1.6")
        else:
            self.cp.unreachable()

    def send(self, text: bytes) -> None:
        frame = frames.decode(text)
        if not isinstance(frame, frames.Call):
            self.answers.append(msgspec.json.decode(text))
            return
        sent = Sent(self.wheel.now(), frame.message_id, frame.action, msgspec.json.decode(frame.payload))
        self.calls.append(sent)
        if not self.mute(sent):
            self.wheel.after(0.02, lambda: self._reply(sent))

    def _reply(self, sent: Sent) -> None:
        if not self.open:
            return
        if self.errors(sent):
            self.cp.received(frames.encode_error(sent.message_id, "InternalError"))
        elif sent.action == "StartTransaction":
            key = msgspec.json.encode(sent.payload).decode()
            number = self.starts.setdefault(key, len(self.starts) + 1)
            result = {"transactionId": number, "idTagInfo": self.results["Authorize"]["idTagInfo"]}
            self.cp.received(frames.encode_result(sent.message_id, result))
        else:
            self.cp.received(frames.encode_result(sent.message_id, self.results.get(sent.action, {})))

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.abort()

    def abort(self) -> None:
        if self.open:
            self.open = False
            self.cp.closed(1006, "")

    # --- for tests

    def run(self, seconds: float) -> None:
        self.wheel.turn(seconds)

    def started(self, power_on: bool = True) -> Played:
        if power_on:
            self.cp.power_on()
        return self

    def of(self, action: str) -> list[Sent]:
        return [sent for sent in self.calls if sent.action == action]

    def ask(self, action: str, **payload: Any) -> Any:
        """Call the station as the CSMS does; return its answer's frame, None where none came at once."""
        before = len(self.answers)
        self.asked += 1
        self.cp.received(frames.encode_call(f"c{self.asked}", action, payload))
        return self.answers[-1] if len(self.answers) > before else None

    def status(self, action: str, **payload: Any) -> str:
        """Call the station and return the status that it answers."""
        return str(self.ask(action, **payload)[2]["status"])

    def time(self, seconds: float = 0.0) -> str:
        """Return the time in so many seconds, as messages have it."""
        return format_time(self.world.wall_ms() + round(seconds * 1000))

    def until(self, condition: Callable[[], bool], limit_s: float = 20000) -> None:
        while not condition():
            assert self.wheel.now() < limit_s, "not within the limit"
            self.run(1.0)
