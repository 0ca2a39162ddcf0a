"""Jobs over many stations, end to end: slow, refusing, offline and rebooting ones; paused, cancelled, killed."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ampstream.simulate.station import CsmsCall
from shared.bus import keys
from tests.chaos.harness import checks
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System, running
from tests.e2e import crowd as behaviour
from tests.e2e.crowd import ACTION, Keyed, Member, audit, crowd
from tests.e2e.field import PATIENT
from tests.support import lasting, wait_until
from tests.terminal import ampstream

FAST = {"rate_per_s": 100, "jitter_s": 0}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running Ampstream of two edges and two workers."""
    # Some stations never answer: each second of it is the run's.
    settings = {"PARTITIONS": "2", **PATIENT, "COMMAND_TIMEOUT_S": "3"}
    made = System(tmp_path_factory.mktemp("jobs") / "system", edges=2, workers=2, settings=settings)
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.close()


async def make(operator: Operator, **fields: Any) -> str:
    """Make a job that clears caches, and return its id."""
    status, body = await operator.request("POST", "/jobs", json={"action": ACTION, **FAST, **fields})
    assert status == 201, body
    return str(body["id"])


async def until(operator: Operator, job_id: str, ended: int = 0, timeout_s: float = 30) -> dict[str, Any]:
    """Return a job once it has ended, or once so many of its stations have."""

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = await operator.get(f"/jobs/{job_id}")
        return found if found["ended_at"] or (ended and found["ended"] >= ended) else None

    found = await wait_until(look, timeout_s, 0.05)
    assert found is not None
    return found


async def results(operator: Operator, job_id: str) -> dict[str, str]:
    """Return each station's outcome, or where it is."""
    return {one["station_id"]: one["outcome"] for one in await operator.items(f"/jobs/{job_id}/results")}


async def test_whatever_stations_do(system: System) -> None:
    """Each has its outcome and had its command once; who is offline stalls nobody, and is sent it when it is back."""
    operator = system.operator()
    manners = {
        "JOB-GOOD": behaviour.accept,
        "JOB-NO": behaviour.reject,
        "JOB-ERROR": behaviour.fail,
        "JOB-SLOW": behaviour.dawdle,
        "JOB-SILENT": behaviour.ignore,
        "JOB-REBOOT": behaviour.reboot,
    }
    members = [Member(system, name, manner) for name, manner in manners.items()]
    away = Member(system, "JOB-AWAY", behaviour.accept)
    async with crowd(system, [away]):
        pass
    async with crowd(system, members):
        job_id = await make(operator, filter={"q": "JOB-"}, concurrency=2)
        found = await until(operator, job_id, ended=6)
        assert (found["total"], found["ended_at"]) == (7, None)
        assert (await results(operator, job_id))["JOB-AWAY"] == "offline"
        assert away.executed == []
        async with crowd(system, [away]):
            found = await until(operator, job_id)
    assert await results(operator, job_id) == {
        "JOB-GOOD": "accepted", "JOB-NO": "rejected", "JOB-ERROR": "error", "JOB-SLOW": "accepted",
        "JOB-SILENT": "timed_out", "JOB-REBOOT": "timed_out", "JOB-AWAY": "accepted",
    }  # fmt: skip
    assert {len(member.executed) for member in (*members, away)} == {1}
    told = [one for one in operator.events() if one["type"].startswith("job.") and one["job_id"] == job_id]
    assert (told[0]["type"], told[-1]["type"]) == ("job.created", "job.done")
    assert told[-1]["outcomes"] == {"accepted": 3, "rejected": 1, "error": 1, "timed_out": 2}


async def test_pause_resume_and_cancel(system: System) -> None:
    """Paused nothing begins; resumed it goes on; cancelled the rest is never sent, and what was sent ends."""
    operator = system.operator()
    members = [Member(system, f"STOP-{n:02}", behaviour.dawdle) for n in range(16)]
    async with crowd(system, members):
        job_id = await make(operator, stations=[member.name for member in members], concurrency=2)
        await until(operator, job_id, ended=1)
        await operator.request("POST", f"/jobs/{job_id}/pause")

        async def calm() -> bool:
            shown: dict[str, Any] = await operator.get(f"/jobs/{job_id}")
            return bool(shown["state"] == "paused" and shown["progress"]["active"] == 0)

        await wait_until(calm)
        before = [len(member.executed) for member in members]
        await lasting(0.7, "the pause, in which nothing may begin")
        assert [len(member.executed) for member in members] == before
        await operator.request("POST", f"/jobs/{job_id}/resume")
        await wait_until(lambda: sum(len(member.executed) for member in members) > sum(before))
        status, body = await operator.request("POST", f"/jobs/{job_id}/cancel")
        assert (status, body["state"]) == (200, "cancelled")
        found = await until(operator, job_id)
        assert (found["state"], found["ended"]) == ("cancelled", 16)
        assert found["outcomes"]["cancelled"] + found["outcomes"]["accepted"] == 16
        assert found["outcomes"]["cancelled"] >= 2
        sent = {member.name: len(member.executed) for member in members}
        assert sent == {
            name: 0 if outcome == "cancelled" else 1 for name, outcome in (await results(operator, job_id)).items()
        }


async def test_from_the_command_line(system: System) -> None:
    """`ampstream send` to many with --wait: the outcome as JSON, and as the exit status."""
    members = [Member(system, f"CLI-{n}", behaviour.accept) for n in range(3)]
    async with crowd(system, members):
        status, job = await run(system, "send", "--filter", "q=CLI-", ACTION)
        assert (status, job["state"], job["outcomes"]["accepted"]) == (0, "done", 3)
        (command, *_) = await system.operator().items("/commands", station_id="CLI-0")
        assert command["job"] == job["id"]
        for member in members:
            member.manner = behaviour.reject
        status, job = await run(system, "send", "--filter", "q=CLI-", ACTION)
        assert (status, job["outcomes"]["rejected"]) == (1, 3)


async def run(system: System, *words: str) -> tuple[int | None, dict[str, Any]]:
    """Run a command for many stations to the job's end; returns its exit status and the job."""
    options = ("--rate", "50", "--jitter", "0", "--wait", "--json", "--api", system.api_url(1), "--token", system.token)
    done = await ampstream(*words, *options, env=os.environ)
    assert done.out, done.err
    return done.status, msgspec.json.decode(done.out)


async def test_configurations_are_read(system: System) -> None:
    """One that tells, and one that knows no such thing: the job has both, and the exit status says so."""
    operator = system.operator()
    async with crowd(system, [Keyed(system, "READ-GOOD", {"A": "1"}), Keyed(system, "READ-NO", {})]):
        status, job = await run(system, "config", "read", "--filter", "q=READ-")
    assert (status, job["kind"], job["state"]) == (1, "read_configuration", "done")
    assert await results(operator, job["id"]) == {"READ-GOOD": "accepted", "READ-NO": "error"}
    found = await operator.get("/stations/READ-GOOD/configuration")
    assert [(one["key"], one["value"]) for one in found["keys"]] == [("A", "1")]


async def test_templates_are_applied(system: System) -> None:
    """One that takes what is wanted, one that does not, and one that is away and is brought in line when it is back."""
    operator = system.operator()
    body = {"match": {"vendor": "Crowd"}, "keys": {"X": "2"}}
    made, answer = await operator.request("PUT", "/templates/crowd", json=body)
    assert made == 201, answer
    good, bad, away = (Keyed(system, f"TUNE-{name}", {"X": "1"}) for name in ("GOOD", "NO", "AWAY"))
    bad.refused = ["X"]
    async with crowd(system, [away]):
        pass
    async with crowd(system, [good, bad]):
        status, job = await run(system, "config", "apply", "--stations", "TUNE-GOOD,TUNE-NO")
        assert (status, good.held, bad.held) == (1, {"X": "2"}, {"X": "1"})
        listed = await operator.items(f"/jobs/{job['id']}/results")
        assert [(one["outcome"], one["detail"]) for one in listed] == [
            ("accepted", "in line"),
            ("rejected", "X refused (Rejected)"),
        ]
        job_id = await make(operator, kind="apply_templates", action="", filter={"q": "TUNE-"})
        await until(operator, job_id, ended=2)
        async with crowd(system, [away]):
            found = await until(operator, job_id)
    assert (found["outcomes"]["accepted"], away.held) == (2, {"X": "2"})


@pytest.mark.chaos
async def test_workers_are_killed_in_the_middle(tmp_path: Path) -> None:
    """kill -9 of whoever advances the job, over and over: each station has its command once, and the job is done."""
    async with running(tmp_path / "system", edges=1, workers=2) as system:
        operator = system.operator()
        members = [Member(system, f"K{n:02}", behaviour.accept) for n in range(30)]
        async with crowd(system, members):
            job_id = await make(operator, filter={"q": "K"}, rate_per_s=15, jitter_s=0.2, concurrency=10)
            killed = 0
            for ended in (3, 15):
                await until(operator, job_id, ended)
                killed += await kill_runner(system)
            found = await until(operator, job_id, timeout_s=60)
            assert killed == 2
            assert (found["state"], found["outcomes"]["accepted"]) == ("done", 30), await results(operator, job_id)
            checks.sound(audit(members))
            assert Counter(len(member.executed) for member in members) == {1: 30}
            done = [one for one in operator.events(repeated=True) if one["type"] == "job.done"]
            assert len(done) == 1


async def kill_runner(system: System) -> int:
    """Kill the worker that holds the lease, and start it again; returns how many were killed."""
    holder = await wait_until(lambda: system.valkey.client().get(keys.BULK_JOBS_RUNNER))
    name = holder.decode().rpartition("-")[0]
    worker = next(each for each in system.workers if each.name == name)
    worker.kill()
    await system.restart(worker)
    return 1


async def begun_twice(directory: Path, *guards: str) -> list[checks.Violation]:
    """Kill who advances a job between a station's request and its move: another one begins it again; audit that."""
    answering = asyncio.Event()

    async def answer(member: Member, call: CsmsCall) -> None:
        await answering.wait()  # Until then nothing tells the job that the station has the command.
        await behaviour.accept(member, call)

    settings = {"COMMAND_TIMEOUT_S": "15"}
    async with running(directory, edges=1, workers=2, worker_guards=guards, settings=settings) as system:
        operator, members = system.operator(), [Member(system, "TWICE", answer)]
        async with crowd(system, members):
            system.arm("between_steps", "kill", "TWICE")
            job_id = await make(operator, stations=["TWICE"])
            await system.reached("between_steps")
            await wait_until(lambda: is_active(operator, job_id))
            answering.set()
            found = await until(operator, job_id)
            assert found["outcomes"]["accepted"] == 1

            async def quiet() -> bool:
                every = await operator.items("/commands", station_id="TWICE")
                return all(one["ended_at"] for one in every)

            await wait_until(quiet)
            return audit(members)


async def is_active(operator: Operator, job_id: str) -> bool:
    """Tell whether the job's only station was begun."""
    return (await results(operator, job_id)) == {"TWICE": "active"}


@pytest.mark.chaos
async def test_a_station_that_is_begun_twice_is_commanded_once(tmp_path: Path) -> None:
    """Even where a station was begun and not taken from its place, the command's id tells that it is the same."""
    checks.sound(await begun_twice(tmp_path / "system", "no_single_step"))


@pytest.mark.chaos
async def test_control_without_derived_ids(tmp_path: Path) -> None:
    """Control: where the id does not follow from job and station either, the station is commanded twice (I8)."""
    assert checks.broken(await begun_twice(tmp_path / "system", "no_single_step", "no_derived_ids")) == {"I8"}
