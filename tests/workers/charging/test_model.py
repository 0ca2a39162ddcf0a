"""The transaction rules against a model: whatever a station repeats, loses, delays or mixes up, the ledger is right.

The model is a station's own ledger: logical transactions with register values. It knows nothing of how the services
work. Its meters only rise, its clock is right, and each connector is used by one transaction at a time, so everything
that it says can be demanded exactly (I1 to I6).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.bus import keys
from shared.records.events import TransactionEnded, TransactionStarted

from .site import Site

CONNECTORS = (1, 2)
STRANGE_ID = 2_000_000_000


@dataclasses.dataclass
class Charge:
    """One logical transaction in the station's ledger."""

    connector: int
    tag: str
    began_at: int
    meter_start: int
    number: int = 0
    """The id that the first answer to its start gave; 0: its start was lost."""
    answer: Any = None
    known: int = 0
    """The highest register value that was delivered."""
    samples: set[tuple[int, int]] = dataclasses.field(default_factory=set)
    delivered: set[tuple[int, int]] = dataclasses.field(default_factory=set)
    state: str = "open"
    """`open`, `estimated`, `stopped`."""
    stop: dict[str, Any] | None = None
    """The stop as it was first sent."""
    meter_stop: int = 0
    ended: int = 0
    """How often it may have been announced as ended: once it is."""

    @property
    def energy(self) -> int:
        """The energy that Ampstream must hold."""
        end = self.meter_stop if self.state == "stopped" else self.known
        return max(end - self.meter_start, 0)


class Transactions(RuleBasedStateMachine):
    """A station with two connectors; each rule is something that a station does."""

    charges = Bundle("charges")
    held = Bundle("held")
    """Samples that were taken and are not delivered yet: (charge, time, register)."""

    def __init__(self) -> None:
        super().__init__()
        self.site = Site(connectors=len(CONNECTORS))
        self.ledger: list[Charge] = []
        self.registers = dict.fromkeys(CONNECTORS, 1000)
        self.old_epochs: list[int] = []
        self.orphans = 0

    # ── what the station does ────────────────────────────────────────────────────────────────────────────────────

    def tick(self) -> int:
        """Let a second go by; no two things happen at one time."""
        self.site.advance(1)
        return self.site.now

    def using(self, connector: int) -> Charge | None:
        """Return the charge that the server must hold as open on a connector."""
        found = [one for one in self.ledger if one.connector == connector and one.state == "open" and one.number]
        assert len(found) <= 1
        return found[0] if found else None

    @rule(target=charges, connector=st.sampled_from(CONNECTORS), tag=st.sampled_from(["A", "b"]))
    def start(self, connector: int, tag: str) -> Charge:
        """A start; where the connector's last stop was never delivered, the server must notice."""
        charge = Charge(connector, tag, self.tick(), self.registers[connector])
        before = self.using(connector)
        if before is not None:
            before.state = "estimated"
        charge.answer = self.site.start(connector=connector, tag=tag, meter=charge.meter_start, at=charge.began_at)
        charge.number = charge.answer["transactionId"]
        charge.known = charge.meter_start
        assert charge.number not in [one.number for one in self.ledger], "an id was given twice"
        self.ledger.append(charge)
        return charge

    @rule(charge=charges)
    def repeat_start(self, charge: Charge) -> None:
        """The start again, with a new message id: the same answer, whatever happened since."""
        self.tick()
        answer = self.send_start(charge, None)
        assert answer == charge.answer

    @precondition(lambda self: self.old_epochs)
    @rule(charge=charges)
    def late_start(self, charge: Charge) -> None:
        """The start again, as an entry of a session that was replaced."""
        self.send_start(charge, self.old_epochs[-1])

    def send_start(self, charge: Charge, epoch: int | None) -> Any:
        """Send a charge's start as it was first sent."""
        return self.site.start(
            connector=charge.connector, tag=charge.tag, meter=charge.meter_start, at=charge.began_at, epoch=epoch
        )

    @rule(target=held, charge=charges, wh=st.integers(1, 500))
    def sample(self, charge: Charge, wh: int) -> Any:
        """The meter of a running charge goes on, and is read."""
        if charge.state != "open" or charge is not self.using(charge.connector):
            return multiple()
        self.registers[charge.connector] += wh
        taken = (self.tick(), self.registers[charge.connector])
        charge.samples.add(taken)
        return charge, taken

    @rule(what=consumes(held))
    def deliver(self, what: tuple[Charge, tuple[int, int]]) -> None:
        """A sample arrives: in order or not, before the stop or after it."""
        self.send_sample(*what)

    @rule(what=held, late=st.booleans())
    def repeat_delivery(self, what: tuple[Charge, tuple[int, int]], late: bool) -> None:
        """A sample arrives twice, the second time perhaps from a session that was replaced."""
        self.send_sample(*what)
        self.send_sample(*what, epoch=self.old_epochs[-1] if late and self.old_epochs else None)

    def send_sample(self, charge: Charge, taken: tuple[int, int], epoch: int | None = None) -> None:
        """Deliver a sample, and note that the server knows of it."""
        charge.delivered.add(taken)
        if charge.state == "open":
            charge.known = max(charge.known, taken[1])
        sample = [{"value": str(taken[1])}]
        self.site.meter(transaction=charge.number, connector=charge.connector, at=taken[0], samples=sample, epoch=epoch)

    @rule(charge=charges, wh=st.integers(0, 500), with_data=st.booleans(), named=st.sampled_from([None, -1, 0]))
    def stop(self, charge: Charge, wh: int, with_data: bool, named: int | None) -> None:
        """The first stop of a charge: in time, or long after the server assumed its end."""
        if charge.stop is not None:
            return
        if charge is self.using(charge.connector):
            self.registers[charge.connector] += wh
            at, charge.meter_stop = self.tick(), self.registers[charge.connector]
            # Without its id a stop can be told apart only where nothing else is charging.
            alone = all(one.state == "stopped" for one in self.ledger if one is not charge)
            number = charge.number if named is None or not alone else named
        else:
            later = [one for one in self.ledger if one.connector == charge.connector and one.began_at > charge.began_at]
            at, charge.meter_stop = later[0].began_at - 500, later[0].meter_start
            number = charge.number
        charge.stop = {"transaction": number, "at": at, "tag": charge.tag}
        if with_data:
            charge.stop["data"] = sorted(charge.samples)
            charge.delivered |= charge.samples
        charge.state = "stopped"
        self.site.stop(charge.meter_stop, **charge.stop)

    @rule(charge=charges, late=st.booleans())
    def repeat_stop(self, charge: Charge, late: bool) -> None:
        """A stop again, with a new message id or from a session that was replaced."""
        if charge.stop is not None:
            self.tick()
            epoch = self.old_epochs[-1] if late and self.old_epochs else None
            self.site.stop(charge.meter_stop, **charge.stop, epoch=epoch)

    @rule(connector=st.sampled_from(CONNECTORS), wh=st.integers(1, 500), twice=st.booleans())
    def lose_start(self, connector: int, wh: int, twice: bool) -> None:
        """A whole charge of which only the stop arrives, with its samples: errata 3.18's transactionId -1."""
        if self.using(connector) is not None:
            return
        charge = Charge(connector, "LOST", self.tick(), self.registers[connector])
        self.registers[connector] += wh
        charge.meter_stop, charge.state = self.registers[connector], "stopped"
        charge.samples = charge.delivered = {(charge.began_at, charge.meter_start)}
        charge.stop = {
            "transaction": -1, "at": self.tick(), "tag": "LOST", "begin": (charge.began_at, charge.meter_start)
        }  # fmt: skip
        for _ in range(1 + twice):
            self.site.stop(charge.meter_stop, **charge.stop)
        known = {one.number for one in self.ledger}
        (charge.number,) = [one.transaction_id for one in self.site.transactions if one.transaction_id not in known]
        self.ledger.append(charge)

    @rule(meter=st.integers(0, 10**6))
    def strange_stop(self, meter: int) -> None:
        """A stop of somebody else's transaction, from before this station's: an orphan."""
        self.orphans += 1
        at = self.site.now - 30 * 86_400_000 + self.orphans
        self.site.stop(meter, transaction=STRANGE_ID, tag="STRANGER", at=at)

    @rule(connector=st.sampled_from(CONNECTORS))
    def strange_sample(self, connector: int) -> None:
        """Samples that name somebody else's transaction, from before this station's."""
        self.site.meter(5, transaction=STRANGE_ID, connector=connector, at=self.tick() - 30 * 86_400_000)

    @rule()
    def reconnect(self) -> None:
        """A new session replaces the old one."""
        self.tick()
        self.old_epochs.append(self.site.epoch)
        self.site.open()

    # ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def transactions_are_logical_starts(self) -> None:
        """One transaction for each charge, none besides (I2, I6)."""
        assert sorted(one.transaction_id for one in self.site.transactions) == sorted(one.number for one in self.ledger)
        started = [event.transaction_id for event in self.site.events_of(TransactionStarted)]
        assert sorted(started) == sorted(one.number for one in self.ledger)

    @invariant()
    def energy_is_the_ledgers(self) -> None:
        """Every transaction's energy and state equal the ledger's, exactly (I3)."""
        for charge in self.ledger:
            found = self.site.transaction(charge.number)
            assert found.state == ("open" if charge.state == "open" else "closed")
            assert found.estimated == (charge.state == "estimated")
            assert found.energy_wh == charge.energy
            assert found.meter_start_wh == charge.meter_start
            if charge.state == "stopped":
                assert charge.stop is not None
                assert (found.meter_stop_wh, found.stopped_at) == (charge.meter_stop, charge.stop["at"])

    @invariant()
    def samples_are_kept_once(self) -> None:
        """Every delivered sample is stored with its transaction, once (I1)."""
        for charge in self.ledger:
            stored = [(one.taken_at, one.samples[0].value) for one in self.site.readings(charge.number)]
            assert sorted(stored) == sorted(charge.delivered)

    @invariant()
    def each_ends_at_most_once(self) -> None:
        """No transaction is announced as ended twice, and the open index holds the open ones (I2)."""
        ended = [event.transaction_id for event in self.site.events_of(TransactionEnded)]
        assert sorted(ended) == sorted(one.number for one in self.ledger if one.state != "open")
        index = self.site.memory.data.get(keys.TRANSACTIONS_OPEN, {})
        assert {int(one) for one in index} == {one.number for one in self.ledger if one.state == "open"}

    @invariant()
    def energy_is_counted_once(self) -> None:
        """The counter is what was delivered: no less, and no more but for estimates that a stop made smaller (none)."""
        total = sum(one.energy for one in self.ledger)
        assert self.site.count("energy_delivered_joules_total") == total * 3600


def test_the_rules_agree_with_the_model() -> None:
    """Random lives of a station, some thousand messages: after each the invariants hold."""
    run_state_machine_as_test(
        Transactions,
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
