"""A station in memory with a model behind it: it dials in, answers, and is probed."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.bus import keys
from shared.envelopes import Command, Kind
from shared.ocpp import frames
from shared.ocpp.timestamps import format_time
from shared.ocpp.versions import OCPP16
from shared.policy import Policy
from shared.records.packing import unpack
from shared.records.probes import ProbeReport
from shared.records.profiles import Period, Profile
from shared.records.requests import AssignProfile, StartProbe
from tests.ocpp.schemas import case_of
from tests.workers.harness import START_MS, World
from tests.workers.probing.modelled import Modelled

BOOT = {"chargePointVendor": "Volt", "chargePointModel": "One", "firmwareVersion": "1"}
NIGHT = Profile(
    profile_id=0, purpose="default", kind="absolute", unit="A", periods=(Period(0, 160),), start_at=START_MS
)
ROOF = msgspec.structs.replace(NIGHT, purpose="station_max", periods=(Period(0, 200),))


class Site(World):
    """A station that answers as its model does; `answer_next` lets it answer one command."""

    def __init__(self, model: Modelled | None = None) -> None:
        super().__init__(policy=Policy(unknown_stations="accept", unknown_tags="accept"))
        self.model = model or Modelled()
        self.answered: set[str] = set()
        self.dial()

    def dial(self) -> None:
        """Connect and boot."""
        self.open()
        self.call("BootNotification", BOOT)
        self.advance(2)

    def sent(self) -> list[frames.Call]:
        """Return the commands that went out and were not answered; each is valid by its schema."""
        found = []
        for item in self.items_of(Command):
            frame = frames.decode(item.frame)
            assert isinstance(frame, frames.Call)
            if frame.message_id not in self.answered and item.epoch == self.epoch:
                case_of(OCPP16, frame.action).validator.validate(msgspec.json.decode(frame.payload))
                found.append(frame)
        return found

    def answer_next(self) -> bool:
        """Answer the oldest command; False where there is none."""
        for frame in self.sent()[:1]:
            self.answered.add(frame.message_id)
            self.now += 50
            answer = self.model.answer(frame.action, msgspec.json.decode(frame.payload), self.now)
            if isinstance(answer, str):
                self.feed(self.entry_error(frame.message_id, answer))
            else:
                self.answer(frame.message_id, answer)
            return True
        return False

    def entry_error(self, message_id: str, code: str) -> Any:
        """Make the entry of a CALLERROR."""
        return self.entry(Kind.ANSWER, msgspec.json.encode([4, message_id, code, "", {}]))

    def settle_down(self, most: int = 400) -> None:
        """Answer until nothing is asked any more."""
        for _ in range(most):
            if not self.answer_next():
                return
        raise AssertionError("it never ends")

    def limit(self, profile: Profile) -> None:
        """Have a profile assigned, and taken."""
        assert self.request(AssignProfile(request_id=f"a{self.now}", profile=profile))[0] == 202
        self.settle_down()
        self.now += 1000

    def probe(self, **options: Any) -> tuple[int, Any]:
        """Ask for a probe."""
        return self.request(StartProbe(request_id=f"p{self.now}", by="tester", **options))

    def start(self) -> int:
        """Start a transaction on connector 1."""
        payload = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": format_time(self.now)}
        number: int = self.call("StartTransaction", payload)[2]["transactionId"]
        self.model.transaction_id = number
        return number

    def meter(self, number: int, amperes: float) -> None:
        """Report a current."""
        sample = {"value": str(amperes), "measurand": "Current.Import", "unit": "A"}
        values = [{"timestamp": format_time(self.now), "sampledValue": [sample]}]
        self.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": values})

    @property
    def report(self) -> ProbeReport:
        """The report of the last probe."""
        return unpack(self.memory.data[keys.probe(self.station_id)], ProbeReport)

    def holds(self) -> set[tuple[str, int]]:
        """Return what the station holds: purpose and limit of each profile."""
        return {(one.purpose, one.periods[0].limit) for one in self.model.held.values()}

    def wanted(self) -> dict[str, str]:
        """Return the states of the wanted profiles by place."""
        return {slot: one.state for slot, one in self.view.limits.by_slot.items()}
