"""A station's part in jobs over many: its command once, its result with the decision that made it."""

from typing import Any

import pytest

from shared import envelopes
from shared.bus import keys
from shared.envelopes import Kind
from shared.policy import Policy
from shared.records.commands import made_at
from shared.records.events import StartFailed
from shared.records.jobs import JobResult, command_id, job_of, make_job_id
from shared.records.packing import unpack
from shared.records.requests import DeleteStation, SendCommand
from shared.records.works import turn_of
from tests.workers.harness import START_MS, World
from tests.workers.services.test_commands import booted, record, sent
from workers.dispatch import quarantine
from workers.services.commands import MAX_QUEUE

JOB = make_job_id(START_MS, "test")


def asked(action: str = "Reset", payload: str = '{"type":"Soft"}', **fields: Any) -> SendCommand:
    """What a job puts on the station's uplink."""
    given: dict[str, Any] = {"request_id": f"job:{JOB}:CP1", "command_id": command_id(JOB, "CP1")}
    return SendCommand(action=action, payload=payload, expires_in_ms=60_000, job=JOB, by="ops", **{**given, **fields})


def ask(world: World, request: SendCommand) -> None:
    """Let the request's entry be decided."""
    world.feed(world.entry(Kind.REQUEST, envelopes.encode(request), epoch=0))


def result(world: World) -> JobResult | None:
    """Return what the station left for the job."""
    packed = world.memory.data.get(keys.job_ended(JOB), {}).get(world.station_id)
    return unpack(packed, JobResult) if packed is not None else None


def test_a_command_and_its_result() -> None:
    """Sent at once, in its job's name and time, noted in the history, without a reply; its end is the job's result."""
    world = booted()
    ask(world, asked())
    name = command_id(JOB, "CP1")
    assert sent(world) == [name]
    made = record(world, name)
    assert (job_of(made.origin), made.expires_at) == (JOB, world.now + 60_000)
    assert world.items_of(envelopes.Reply) == []
    assert keys.history("CP1") in world.memory.data
    assert result(world) is None
    world.answer(name, {"status": "Rejected"})
    assert result(world) == JobResult(outcome="rejected", at=world.now, command_id=name, detail="Rejected")


def test_a_request_that_comes_again_queues_nothing() -> None:
    """Neither while the command waits nor after its end."""
    world = booted()
    for _ in range(2):
        ask(world, asked())
    world.answer(command_id(JOB, "CP1"), {"status": "Accepted"})
    ask(world, asked())
    assert sent(world) == [command_id(JOB, "CP1")]
    found = result(world)
    assert found is not None
    assert found.outcome == "accepted"


def test_refusals() -> None:
    """An unknown station and a full queue are results at once."""
    world = World(policy=Policy(unknown_stations="reject"))
    ask(world, asked())
    found = result(world)
    assert found is not None
    assert (found.outcome, found.detail) == ("refused", "no such station")
    world = booted()
    for n in range(MAX_QUEUE + 1):
        assert world.request(SendCommand(request_id=f"r{n}", action="ClearCache", payload="{}"))[0] == 202
    ask(world, asked())
    found = result(world)
    assert found is not None
    assert found.outcome == "refused"


@pytest.mark.parametrize("end", ["delete", "expire", "time out", "give up"])
def test_every_end_is_a_result(end: str) -> None:
    """Deleted, expired, without an answer, or impossible to decide: the job is told."""
    world = booted()
    if end in ("delete", "expire"):
        world.close()
    if end == "give up":
        entry = world.entry(Kind.REQUEST, envelopes.encode(asked()), epoch=0)
        world.commit(world.settle(lambda view: quarantine(entry, view, world.now, world.policy, "poison", "")))
    else:
        ask(world, asked())
    if end == "delete":
        world.request(DeleteStation(request_id="d"))
    world.advance(3600)
    found = result(world)
    assert found is not None
    wanted = {"delete": "cancelled", "expire": "expired", "time out": "timed_out", "give up": "error"}
    assert found.outcome == wanted[end]


def test_a_remote_start_of_a_job_is_watched() -> None:
    """Accepted and not begun is told, as for one that an operator sent."""
    world = booted()
    ask(world, asked("RemoteStartTransaction", '{"idTag":"T"}'))
    world.answer(command_id(JOB, "CP1"), {"status": "Accepted"})
    world.advance(world.policy.start_failure_ms / 1000 + 1)
    assert len(world.events_of(StartFailed)) == 1


def test_ids_and_turns_follow_from_job_and_station() -> None:
    """The same for the same, others for others; ids of one job are spread over some seconds by their time."""
    names = [f"CP{n}" for n in range(200)]
    ids = {command_id(JOB, name) for name in names}
    assert len(ids) == 200
    assert {command_id(JOB, name) for name in names} == ids
    times = {made_at(one) - START_MS for one in ids}
    assert all(0 <= at < 10_000 for at in times)
    assert len(times) > 150
    assert sorted(names, key=lambda name: turn_of(JOB, name)) != sorted(names)
    assert job_of("operator") == ""
