"""Reservations under every order of what can happen to them, against a model that restates their rules."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.records import events
from shared.records.tags import IdTag
from tests.workers.reservations.place import Place
from workers.services import reservations

NUMBERS, CONNECTORS = st.integers(1, 3), st.integers(1, 2)
TAGS = st.sampled_from(("ANNA", "SISTER", "BERT"))
GROUPS = {"ANNA": "FAMILY", "SISTER": "FAMILY", "BERT": ""}
TIMEOUT_S = 31


class Modelled(msgspec.Struct):
    """One reservation as the model has it."""

    name: str
    number: int
    connector: int
    tag: str
    parent: str
    expires_at: int
    state: str
    transaction: int = 0
    doubted: bool = False

    @property
    def live(self) -> bool:
        """Pending (the station was silent) or active."""
        return self.state in ("pending", "active")

    def is_for(self, tag: str) -> bool:
        """Tell whether a tag may use it."""
        return tag == self.tag or (self.parent != "" and GROUPS[tag] == self.parent)


class ReservationMachine(RuleBasedStateMachine):
    """One station with two connectors, and what is expected of its reservations."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Place()
        for tag, group in GROUPS.items():
            self.place.put_tag(IdTag(id_tag=tag, parent=group))
        self.all: list[Modelled] = []
        self.over: list[Modelled] = []
        self.flagged: dict[int, str] = {}

    def pass_time(self, seconds: float) -> None:
        """Turn the clock; the model's reservations expire in the order of their ends."""
        self.place.advance(seconds)
        due = [one for one in self.all if one.live and one.expires_at <= self.place.now]
        for one in sorted(due, key=lambda one: (one.expires_at, one.name)):
            self.end(one, "expired")

    def end(self, one: Modelled, state: str) -> None:
        """End one in the model."""
        one.state, one.doubted = state, False
        self.over = [other for other in self.over if other is not one]
        if state != "used" and state != "refused":
            self.over = [one, *self.over][: reservations.MAX_OVER]

    def activate(self, one: Modelled) -> None:
        """Let the station have accepted one."""
        for other in self.all:
            if other.number == one.number and other.state == "active":
                self.end(other, "cancelled")
        one.state = "active"

    @rule(
        number=NUMBERS,
        connector=st.integers(0, 2),
        tag=TAGS,
        group=st.booleans(),
        seconds=st.sampled_from((40, 200, 5000)),
        answer=st.sampled_from(("Accepted", "Accepted", "Occupied", None)),
    )
    def reserve(self, number: int, connector: int, tag: str, group: bool, seconds: float, answer: str | None) -> None:
        """An operator reserves; the station accepts, refuses, or says nothing in time."""
        if len([one for one in self.all if one.live]) >= 12:
            return
        expires_at = self.place.now + seconds * 1000
        more: dict[str, Any] = {"parentIdTag": GROUPS[tag]} if group and GROUPS[tag] else {}
        name = self.place.reserve(number, connector, answer, seconds, idTag=tag, **more)
        parent = more.get("parentIdTag", "")
        made = Modelled(name, number, connector, tag, parent, int(expires_at), "pending")
        self.all.append(made)
        if answer == "Accepted":
            self.activate(made)
        elif answer is not None:
            self.end(made, "refused")
        else:
            self.pass_time(TIMEOUT_S)

    @precondition(lambda self: any(one.state == "pending" for one in self.all))
    @rule(data=st.data(), answer=st.sampled_from(("Accepted", "Faulted")))
    def answer_late(self, data: st.DataObject, answer: str) -> None:
        """The station answers what had timed out."""
        one = data.draw(st.sampled_from([one for one in self.all if one.state == "pending"]))
        self.place.answer(one.name, {"status": answer})
        if answer == "Accepted":
            self.activate(one)
        else:
            self.end(one, "refused")

    @rule(connector=CONNECTORS, tag=TAGS, named=st.one_of(st.none(), NUMBERS))
    def start(self, connector: int, tag: str, named: int | None) -> None:
        """A transaction begins, and names a reservation or none."""
        self.pass_time(1)
        number = self.place.begin(connector=connector, tag=tag, **({"reservationId": named} if named else {}))
        if named is not None:
            self.start_named(number, connector, tag, named)
            return
        live = [one for one in self.all if one.live]
        fitting = [one for one in live if one.is_for(tag) and one.connector in (0, connector)]
        if fitting:
            own = [one for one in fitting if one.connector]
            self.use((own or fitting)[0], number)
        elif any(one.state == "active" and one.connector == connector and not one.doubted for one in live):
            held = next(one for one in live if one.state == "active" and one.connector == connector)
            self.flagged[number] = "" if held.doubted else "reserved_for_another"

    def start_named(self, number: int, connector: int, tag: str, named: int) -> None:
        """Use what the start names: an active one, one that was not answered, one that is over."""
        live = [one for one in self.all if one.live and one.number == named]
        active = [one for one in live if one.state == "active"]
        found = [*active, *live, *(one for one in self.over if one.number == named)]
        if not found:
            self.flagged[number] = "reservation_unknown"
            return
        one = found[0]
        self.use(one, number)
        if not one.is_for(tag) or one.connector not in (0, connector):
            self.flagged[number] = "reservation_differs"

    def use(self, one: Modelled, number: int) -> None:
        """Use one in the model."""
        self.end(one, "used")
        one.transaction = number

    @rule(number=NUMBERS, answer=st.sampled_from(("Accepted", "Rejected")))
    def cancel(self, number: int, answer: str) -> None:
        """An operator cancels a number; the station has it or not."""
        self.place.send("CancelReservation", answer, reservationId=number)
        for one in [one for one in self.all if one.live and one.number == number]:
            self.end(one, "cancelled")

    @rule(connector=CONNECTORS, status=st.sampled_from(("Available", "Reserved", "Preparing", "Faulted")))
    def show(self, connector: int, status: str) -> None:
        """A connector reports a status."""
        before = self.place.view.connectors.by_id[connector].status
        self.place.status(connector, status)
        if status == before:
            return
        for one in self.all:
            if one.state == "active" and one.connector == connector:
                if self.place.now <= one.expires_at - reservations.SLACK_MS:
                    one.doubted = status in ("Available", "Faulted") or (one.doubted and status != "Reserved")
                break

    @rule(seconds=st.sampled_from((1, 30, 150, 1000)))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.pass_time(seconds)

    @rule()
    def reconnect(self) -> None:
        """The station comes back on a new socket and boots."""
        self.pass_time(1)
        self.place.open()
        self.place.boot()

    @invariant()
    def states_are_as_modelled(self) -> None:
        """Every reservation is what the model says, in its record and in the station's section."""
        for one in self.all:
            record = self.place.record(one.name)
            assert (self.place.state(one.name), record.transaction_id) == (one.state, one.transaction), one
            assert bool(record.doubt) == one.doubted, one

    @invariant()
    def flags_are_as_modelled(self) -> None:
        """Exactly the starts that do not fit are flagged."""
        odd = {flag for flag in self.flagged.values() if flag} | {"reserved_for_another"}
        for transaction in self.place.transactions:
            expected = self.flagged.get(transaction.transaction_id, "")
            assert [flag for flag in transaction.flags if flag in odd] == ([expected] if expected else [])

    @invariant()
    def each_end_is_told_once(self) -> None:
        """One event per state that was reached; `used` may follow an end that seemed to be another."""
        told: dict[str, list[str]] = {}
        for event in self.place.events:
            if type(event).__name__.startswith("Reservation"):
                told.setdefault(event.reservation_id, []).append(type(event).__name__)  # type: ignore[attr-defined]
        for one in self.all:
            names = told.get(one.name, [])
            assert len(names) == len(set(names))
            ends = [name for name in names if name != events.ReservationMade.__name__]
            assert bool(ends) == (not one.live)
            assert not ends or ends[-1] == f"Reservation{one.state.capitalize()}"


TestReservations = ReservationMachine.TestCase
TestReservations.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
