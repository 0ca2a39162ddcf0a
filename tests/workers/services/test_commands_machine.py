"""Commands under every order of what can happen to them, against the rules that must hold in all of them."""

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared import envelopes
from shared.bus import keys
from shared.envelopes import Kind
from shared.policy import Policy
from shared.records.commands import TERMINAL, CommandRecord
from shared.records.events import CommandChanged
from shared.records.packing import unpack
from shared.records.requests import CancelCommand
from tests.workers.harness import World
from workers.services import commands

SAFE, UNSAFE = "GetConfiguration", "Reset"


class CommandMachine(RuleBasedStateMachine):
    """One station, its sessions and its commands."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(policy=Policy(unknown_stations="accept", command_expiry_ms=200_000, boot_hold_ms=2000))
        self.world.open()
        self.world.advance(5)
        self.queued: list[str] = []
        self.unwritten: set[tuple[str, int]] = set()
        self.requests = 0

    @rule(action=st.sampled_from((SAFE, UNSAFE)))
    def queue(self, action: str) -> None:
        """A service queues a command."""
        command_id = f"c{len(self.queued)}"

        def decide(draft):  # type: ignore[no-untyped-def]
            commands.enqueue(draft, action, {}, "test", command_id=command_id)
            commands.pump(draft)

        self.queued.append(command_id)
        self.world.run(decide)

    @rule(seconds=st.sampled_from((1, 3, 16, 31, 120)))
    def wait(self, seconds: int) -> None:
        """Time passes, and timers come."""
        self.world.advance(seconds)

    @rule()
    def reconnect(self) -> None:
        """The station comes back on a new socket."""
        self.world.now += 1
        self.world.open()

    @rule(ours=st.booleans())
    def close(self, ours: bool) -> None:
        """The socket goes."""
        self.world.close(ours=ours)

    @rule()
    def boot(self) -> None:
        """The station boots."""
        self.world.call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})

    @rule()
    def heartbeat(self) -> None:
        """The station shows that it lives."""
        self.world.call("Heartbeat", {})

    @precondition(lambda self: self.handed)
    @rule(data=st.data(), status=st.sampled_from(("Accepted", "Rejected", None)))
    def answer(self, data: st.DataObject, status: str | None) -> None:
        """The station answers something that it was handed, perhaps on its last socket, perhaps again."""
        handed = [item for item in self.handed if (item.command_id, item.epoch) not in self.unwritten]
        if handed:
            item = data.draw(st.sampled_from(handed))
            self.world.answer(item.command_id, {"status": status} if status else {}, epoch=item.epoch)

    @precondition(lambda self: self.handed)
    @rule()
    def not_written(self) -> None:
        """The edge reports that the last item never reached the socket."""
        item = self.handed[-1]
        if self.record(item.command_id).state == "sent":
            self.unwritten.add((item.command_id, item.epoch))
        body = envelopes.encode(envelopes.NotWritten(item.command_id, "deadline"))
        self.world.feed(self.world.entry(Kind.NOT_WRITTEN, body, epoch=item.epoch))

    @precondition(lambda self: self.queued)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """An operator cancels."""
        self.requests += 1
        command_id = data.draw(st.sampled_from(self.queued))
        status, _ = self.world.request(CancelCommand(request_id=f"r{self.requests}", command_id=command_id))
        assert status in (200, 409)

    @property
    def handed(self) -> list[envelopes.Command]:
        """What the edge was handed, in order."""
        return self.world.items_of(envelopes.Command)

    def record(self, command_id: str) -> CommandRecord:
        """Return a command's stored record."""
        return unpack(self.world.memory.data[keys.command("CP1", command_id)], CommandRecord)

    @invariant()
    def one_terminal_state(self) -> None:
        """A command ends at most once, and its record says how."""
        ends: dict[str, list[str]] = {}
        for event in self.world.events_of(CommandChanged):
            if event.state in TERMINAL:
                ends.setdefault(event.command_id, []).append(event.state)
        for command_id in self.queued:
            record = self.record(command_id)
            assert ends.get(command_id, []) == ([record.state] if record.state in TERMINAL else [])

    @invariant()
    def section_and_records_agree(self) -> None:
        """What the station's state holds is exactly what has not ended."""
        held = self.world.view.commands
        outstanding = [held.outstanding.command_id] if held.outstanding else []
        waiting = [queued.command_id for queued in held.queue]
        assert {self.record(one).state for one in outstanding} <= {"sent"}
        assert {self.record(one).state for one in waiting} <= {"queued"}
        alive = {one for one in self.queued if self.record(one).state not in TERMINAL}
        assert Counter(outstanding + waiting) == Counter(alive)

    @invariant()
    def never_twice_unless_safe(self) -> None:
        """What is not safe to repeat reaches a socket at most once."""
        written = Counter(
            item.command_id for item in self.handed if (item.command_id, item.epoch) not in self.unwritten
        )
        twice = {command_id for command_id, times in written.items() if times > 1}
        assert all(self.record(command_id).action == SAFE for command_id in twice)

    @invariant()
    def only_to_the_newest_session(self) -> None:
        """What is outstanding was handed to the session that holds the socket, and has a deadline."""
        held = self.world.view.commands.outstanding
        if held is not None:
            assert held.epoch == self.world.view.session.epoch
            assert held.deadline_at >= self.world.now or ("command_timeout", held.command_id) in self.world.timers

    def teardown(self) -> None:
        """In the end, everything ends."""
        self.world.advance(1000)
        assert all(self.record(command_id).state in TERMINAL for command_id in self.queued)


CommandMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestCommandMachine = CommandMachine.TestCase
