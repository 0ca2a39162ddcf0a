"""Commands: one outstanding, one terminal state, and what a station may be sent when."""

import msgspec
import pytest

from shared import envelopes
from shared.bus import keys
from shared.envelopes import Kind
from shared.policy import Policy
from shared.records.commands import CommandRecord
from shared.records.events import CommandChanged
from shared.records.packing import unpack
from shared.records.requests import UpdateStation
from tests.workers.harness import World
from workers.services import commands

BOOT = {"chargePointVendor": "Volt", "chargePointModel": "One"}


def booted(policy: Policy | None = None) -> World:
    """A station that is accepted, with nothing that holds commands back."""
    world = World(policy=policy)
    world.open()
    world.call("BootNotification", BOOT)
    world.advance(2)
    return world


def queue(world: World, action: str = "ChangeConfiguration", payload: dict[str, object] | None = None) -> str:
    """Queue a command and let it go out where it may; returns its id."""
    found = ""

    def decide(draft):  # type: ignore[no-untyped-def]
        nonlocal found
        found = commands.enqueue(draft, action, payload or {}, "test")
        commands.pump(draft)

    world.run(decide)
    return found


def record(world: World, command_id: str) -> CommandRecord:
    """Return a command's stored record."""
    return unpack(world.memory.data[keys.command(world.station_id, command_id)], CommandRecord)


def sent(world: World) -> list[str]:
    """Return the ids of what was handed to the edge, in order."""
    return [item.command_id for item in world.items_of(envelopes.Command)]


def not_written(world: World, command_id: str, epoch: int | None = None) -> None:
    """Let the edge report that it did not write a command."""
    body = envelopes.encode(envelopes.NotWritten(command_id, "queue_full"))
    world.feed(world.entry(Kind.NOT_WRITTEN, body, epoch=epoch))


def test_a_command_goes_out_with_the_decision_that_queues_it() -> None:
    """A queued command is sent at once, as a CALL whose message id is its own, with a deadline for writing it."""
    world = booted()
    command_id = queue(world, payload={"key": "HeartbeatInterval", "value": "60"})
    (item,) = world.items_of(envelopes.Command)
    assert msgspec.json.decode(item.frame) == [
        2, command_id, "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}
    ]  # fmt: skip
    assert (item.epoch, item.deadline_ms) == (world.epoch, world.now + 15_000)
    assert record(world, command_id).state == "sent"


@pytest.mark.parametrize(
    ("response", "state"),
    [
        ({"status": "Accepted"}, "accepted"),
        ({"status": "accepted"}, "accepted"),
        ({"status": "RebootRequired"}, "accepted"),
        ({"status": "Scheduled"}, "accepted"),
        ({"status": "Unlocked"}, "accepted"),
        ({}, "accepted"),
        ({"configurationKey": []}, "accepted"),
        ({"status": "Rejected"}, "rejected"),
        ({"status": "UnlockFailed"}, "rejected"),
        ({"status": 5}, "rejected"),
    ],
)
def test_an_answer_ends_a_command(response: object, state: str) -> None:
    """A CALLRESULT ends the command by its status word, and its payload is kept."""
    world = booted()
    command_id = queue(world)
    world.answer(command_id, response)
    ended = record(world, command_id)
    assert (ended.state, ended.response) == (state, response)
    assert world.count("commands_total", "ChangeConfiguration", state) == 1
    assert [event.state for event in world.events_of(CommandChanged)] == ["queued", "sent", state]


def test_a_callerror_ends_a_command() -> None:
    """Any CALLERROR, a code of no standard among them, ends the command as an error."""
    world = booted()
    command_id = queue(world)
    world.feed(world.entry(Kind.ANSWER, msgspec.json.encode([4, command_id, "Whatever", "no", {}])))
    assert (record(world, command_id).state, record(world, command_id).error) == ("error", "Whatever: no")


def test_one_is_outstanding() -> None:
    """The second command waits for the end of the first."""
    world = booted()
    first, second = queue(world), queue(world)
    assert sent(world) == [first]
    world.answer(first, {"status": "Rejected"})
    assert sent(world) == [first, second]


def test_silence_times_out_and_the_late_answer_is_recorded() -> None:
    """An unanswered command is timed out; its answer, much later, is recorded against it and changes nothing else."""
    world = booted()
    command_id = queue(world)
    world.advance(29)
    assert record(world, command_id).state == "sent"
    world.advance(1)
    assert record(world, command_id).state == "timed_out"
    world.advance(60)
    world.answer(command_id, {"status": "Accepted"})
    ended = record(world, command_id)
    assert (ended.state, ended.late_response) == ("timed_out", {"status": "Accepted"})
    world.answer(command_id, {"status": "Rejected"})
    assert record(world, command_id).late_response == {"status": "Accepted"}


def test_an_answer_to_nothing_changes_nothing() -> None:
    """An unsolicited answer is counted as invalid."""
    world = booted()
    draft = world.answer("no-such-command", {"status": "Accepted"})
    assert draft.result == "invalid"
    assert not draft.changed


def test_a_command_waits_for_the_station_and_expires() -> None:
    """A command to a station that is away is queued, and expires at its time without being sent."""
    world = booted(Policy(unknown_stations="accept", command_expiry_ms=100_000))
    world.close()
    command_id = queue(world)
    assert not sent(world)
    world.advance(100)
    assert record(world, command_id).state == "expired"
    world.open()
    world.call("BootNotification", BOOT)
    world.advance(5)
    assert not sent(world)


def test_commands_wait_for_the_boot() -> None:
    """Nothing is sent before the boot is answered, nor in the same breath (quirk 2)."""
    world = booted()
    world.close()
    command_id = queue(world)
    world.now += 1000
    world.open()
    world.call("StatusNotification", {"connectorId": 1, "status": "Available", "errorCode": "NoError"})
    world.advance(10)
    assert not sent(world)
    world.call("BootNotification", BOOT)
    assert not sent(world)
    world.advance(1)
    assert sent(world) == [command_id]


def test_commands_wait_no_longer_than_the_hold() -> None:
    """A station that reconnects without a boot gets its commands after the hold (quirk 1 and 2)."""
    world = booted()
    world.close()
    command_id = queue(world)
    world.now += 1000
    world.open()
    world.advance(29)
    assert not sent(world)
    world.advance(1)
    assert sent(world) == [command_id]


def test_not_written_is_queued_again() -> None:
    """What the edge could not write is sent again, a moment later, before what came after it."""
    world = booted()
    first, second = queue(world), queue(world)
    not_written(world, first)
    assert record(world, first).state == "queued"
    assert sent(world) == [first]
    world.advance(1)
    assert sent(world) == [first, first]
    world.answer(first, {})
    assert sent(world)[-1] == second


def test_not_written_of_an_older_session_changes_nothing() -> None:
    """A report about a session that is over finds its command ended already."""
    world = booted()
    old, command_id = world.epoch, queue(world)
    world.now += 1000
    world.open()
    not_written(world, command_id, epoch=old)
    assert record(world, command_id).state == "timed_out"


def test_a_lost_session_times_a_command_out() -> None:
    """A command that was sent on a session that is over is timed out, never sent twice: it may have been executed."""
    world = booted()
    command_id = queue(world, "Reset", {"type": "Soft"})
    world.now += 1000
    world.open()
    world.advance(60)
    assert record(world, command_id).state == "timed_out"
    assert sent(world) == [command_id]


@pytest.mark.parametrize(
    ("action", "payload"),
    [("GetConfiguration", {}), ("TriggerMessage", {"requestedMessage": "StatusNotification"})],
)
def test_what_only_reads_is_sent_again(action: str, payload: dict[str, object]) -> None:
    """A command that is safe to repeat is sent again in the next session, under the same id."""
    world = booted()
    command_id = queue(world, action, payload)
    world.now += 1000
    world.open()
    assert record(world, command_id).state == "queued"
    world.advance(30)
    assert sent(world) == [command_id, command_id]


def test_an_answer_from_the_old_socket_counts() -> None:
    """The answer of the older session to a command that was queued again ends it: it need not be sent again."""
    world = booted()
    old, command_id = world.epoch, queue(world, "GetConfiguration")
    world.now += 1000
    world.open()
    world.answer(command_id, {"configurationKey": []}, epoch=old)
    assert record(world, command_id).state == "accepted"
    world.advance(60)
    assert sent(world) == [command_id]


def test_a_pending_station_is_not_told_to_charge() -> None:
    """While pending, RemoteStart waits, and what is permitted behind it goes out (OCPP 1.6 §4.2)."""
    world = World(policy=Policy(unknown_stations="accept", boot_policy="pending"))
    world.open()
    assert world.call("BootNotification", BOOT)[2]["status"] == "Pending"
    world.advance(2)
    start = queue(world, "RemoteStartTransaction", {"idTag": "A"})
    change = queue(world)
    assert sent(world) == [change]
    world.answer(change, {"status": "Accepted"})
    assert world.request(UpdateStation(request_id="r", boot_policy="accepted"))[0] == 200
    assert world.call("BootNotification", BOOT)[2]["status"] == "Accepted"
    world.advance(2)
    assert sent(world) == [change, start]


def test_nothing_is_sent_to_a_rejected_station() -> None:
    """A rejected station need not answer, and is asked nothing."""
    world = World(policy=Policy(unknown_stations="accept", boot_policy="rejected"))
    world.open()
    world.call("BootNotification", BOOT)
    world.advance(40)
    queue(world)
    assert not sent(world)


def test_an_accepted_station_is_not_asked_to_boot() -> None:
    """TriggerMessage(BootNotification) to an accepted station ends as an error (errata 3.40)."""
    world = booted()
    command_id = queue(world, "TriggerMessage", {"requestedMessage": "BootNotification"})
    assert record(world, command_id).state == "error"
    assert not sent(world)


def test_a_model_that_reboots_is_not_asked() -> None:
    """What a model answers with a reboot is not sent to it (quirk 3 and 22)."""
    world = booted()
    world.request(UpdateStation(request_id="q", quirk_profile={"read_configuration": "never"}))
    command_id = queue(world, "GetConfiguration")
    assert record(world, command_id).state == "error"
    assert not sent(world)


def test_a_redelivered_entry_queues_nothing_twice() -> None:
    """The id follows from the entry: deciding it again on the state that it left adds nothing."""
    world = booted()
    world.close()
    origin = world.origin()
    for _ in range(2):
        world.run(lambda draft: commands.enqueue(draft, "Reset", {"type": "Hard"}, "test"), origin)
    assert len(world.view.commands.queue) == 1


def test_who_asked_is_told_of_the_end() -> None:
    """The service that queued a command learns of its end in the same decision."""
    told: list[tuple[str, str]] = []
    commands.when_ended("test_hook")(lambda _, ended: told.append((ended.command_id, ended.state)))
    world = booted()
    world.run(lambda draft: commands.enqueue(draft, "Reset", {}, "test_hook", command_id="c1"))
    world.call("Heartbeat", {})
    world.answer("c1", {"status": "Accepted"})
    assert told == [("c1", "accepted")]


def test_an_answer_that_is_no_frame_is_kept() -> None:
    """An answer whose array is broken goes to quarantine and ends nothing."""
    world = booted()
    command_id = queue(world)
    world.feed(world.entry(Kind.ANSWER, b'[3,"x"'))
    assert record(world, command_id).state == "sent"
    assert len(world.memory.data[keys.quarantine(world.station_id)]) == 1


def test_ended_commands_are_bounded() -> None:
    """The oldest ended commands of a station leave where it has more than the policy keeps."""
    world = booted(Policy(unknown_stations="accept", command_history=3))
    ids = []
    for _ in range(5):
        world.now += 1000
        ids.append(queue(world))
        world.answer(ids[-1], {"status": "Accepted"})
    index = world.memory.data[keys.commands(world.station_id)]
    assert list(index) == ids[2:]
    kept = [command_id for command_id in ids if keys.command(world.station_id, command_id) in world.memory.data]
    assert kept == ids[2:]
    assert record(world, ids[4]).state == "accepted"


def test_commands_in_flight_are_indexed() -> None:
    """A command stands in the index from when it is sent until it is answered, given up or queued again."""
    world = booted()
    inflight: set[str] = world.memory.data.setdefault(keys.COMMANDS_INFLIGHT, set())
    answered = queue(world)
    assert inflight == {f"CP1/{answered}"}
    world.answer(answered, {"status": "Accepted"})
    assert not inflight
    unwritten = queue(world)
    not_written(world, unwritten)
    assert not inflight
    world.advance(2)
    assert inflight == {f"CP1/{unwritten}"}
    world.advance(60)
    assert not inflight


@pytest.mark.parametrize("ending", ["answered", "timed out"])
def test_a_list_that_was_sent_by_hand_keeps_no_tags(ending: str) -> None:
    """The station gets the tags; once the command has ended, however it did, its record has them no more."""
    world = booted()
    entry = {"idTag": "TAG-7", "idTagInfo": {"status": "Accepted", "parentIdTag": "TAG-8"}}
    payload = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry]}
    command_id = queue(world, "SendLocalList", payload)
    assert b"TAG-7" in world.items_of(envelopes.Command)[-1].frame
    if ending == "answered":
        world.answer(command_id, {"status": "Accepted"})
    else:
        world.advance(60)
    found = record(world, command_id)
    assert found.state == ("accepted" if ending == "answered" else "timed_out")
    assert "TAG-" not in found.payload
    assert '"listVersion":1' in found.payload
