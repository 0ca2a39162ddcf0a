"""A job that rotates keys: how a station is begun, and what is seen of it afterwards."""

from __future__ import annotations

from shared import credentials
from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.credentials import Credentials, Rotation, RotationState
from shared.records.jobs import Job, JobResult
from shared.records.packing import pack
from shared.records.requests import LeaveJob, RotateKey
from workers.jobs.bulk import rotating

JOB = Job(job_id="j1", kind="rotate_keys", created_by="ops")


async def test_each_station_gets_a_key_of_its_own(lane: Lane) -> None:
    """Key and hash fit by this system's pepper; leaving names the job."""
    await rotating.prepare(lane)
    made = [rotating.rotate(JOB, name, 0) for name in ("CP1", "CP2")]
    assert all(isinstance(one, RotateKey) for one in made)
    told = [one for one in made if isinstance(one, RotateKey)]
    assert len({one.key for one in told}) == 2
    assert {(one.job, one.by) for one in told} == {("j1", "ops")}
    assert credentials.verify(bytes.fromhex(told[0].key), told[0].key_hash, rotating._pepper)
    leaving = rotating.leave(JOB, "CP1")
    assert isinstance(leaving, LeaveJob)
    assert leaving.job == "j1"


async def test_what_is_seen_of_a_station(lane: Lane) -> None:
    """While it waits for the job: sent, or set aside; afterwards its end, where that came after the beginning."""
    cases: list[tuple[RotationState, tuple[str, ...], int, object]] = [
        ("sending", ("j1",), 5, "sent"),
        ("taken", ("j1",), 5, "queued"),
        ("unknown", ("j1",), 5, "queued"),
        ("done", (), 20, "accepted"),
        ("refused", (), 20, "rejected"),
        ("unknown", (), 20, "timed_out"),
        ("done", (), 5, None),  # An older one: its request is not decided yet.
        ("sending", ("j2",), 20, None),
    ]
    for n, (state, jobs, changed_at, _) in enumerate(cases):
        rotation = Rotation(state=state, began_at=1, changed_at=changed_at, jobs=jobs)
        await lane.one("HSET", keys.state(f"CP{n}"), "ke", pack(Credentials(rotation=rotation)))
    names = [*(f"CP{n}" for n in range(len(cases))), "NONE"]
    seen = await rotating.look(lane, JOB, [(name, 10) for name in names], 30)
    found = [one.outcome if isinstance(one, JobResult) else one for one in seen]
    assert found == [*(expected for _, _, _, expected in cases), None]
