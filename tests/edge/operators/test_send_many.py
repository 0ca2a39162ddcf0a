"""`ampstream send` to many stations and `ampstream jobs`, run as a person runs them."""

import asyncio
import signal
import sys
from pathlib import Path

from shared import metrics
from shared.bus import keys
from shared.records.jobs import JobResult
from shared.records.packing import pack
from tests.edge.operators.stage import T0, Stage
from tests.edge.operators.test_commands import environment, run
from tests.support import PATIENCE_S, wait_until


async def test_many_are_sent_to(stage: Stage, tmp_path: Path) -> None:
    """By a list, a file, a group, a filter or all; the options say how fast, the key that it is one job."""
    for n in range(3):
        await stage.station(f"CP{n}", group="north" if n else "south", vendor="Acme")
    listed = tmp_path / "stations"
    listed.write_text("CP1\n\nCP2\n")
    reset = ("Reset", "type=Soft", "--json")
    done = await asyncio.gather(
        run(stage, "send", "--stations", "CP0, CP1", *reset, "--idempotency-key", "key-of-mine"),
        run(stage, "send", "--stations", f"@{listed}", *reset, "--paused"),
        run(stage, "send", "--group", "north", *reset, "--concurrency", "3", "--rate", "0.5", "--jitter", "0"),
        run(stage, "send", "--filter", "vendor=acme", "--filter", "q=CP1", *reset, "--name", "spring"),
        run(stage, "send", "--all", "Reset", "type=Soft", "--expires-in-s", "60"),
    )
    assert [one.status for one in done] == [0] * 5, [one.err for one in done]
    jobs = [one.lines[0] for one in done[:4]]
    assert [one["total"] for one in jobs] == [2, 2, 2, 1]
    assert [one["state"] for one in jobs] == ["running", "paused", "running", "running"]
    assert [jobs[2][name] for name in ("concurrency", "rate_per_s", "jitter_s")] == [3, 0.5, 0.0]
    assert (jobs[3]["filter"], jobs[3]["name"]) == ({"vendor": "acme", "q": "CP1"}, "spring")
    assert "Reset to 3 stations, at most 50 at a time, 10 a second: running" in done[4].out
    again = await run(stage, "send", "--stations", "CP0,CP1", *reset, "--idempotency-key", "key-of-mine")
    assert again.lines[0]["id"] == jobs[0]["id"]


async def test_what_goes_wrong_is_said(stage: Stage) -> None:
    """Two ways to choose, a filter that is none, limits for one station, no station at all: each in words."""
    await stage.station("CP1")
    done = await asyncio.gather(
        run(stage, "send", "--group", "g", "--all", "Reset", "type=Soft"),
        run(stage, "send", "--filter", "vendor", "Reset", "type=Soft"),
        run(stage, "send", "--filter", "colour=red", "Reset", "type=Soft"),
        run(stage, "send", "CP1", "Reset", "type=Soft", "--rate", "3"),
        run(stage, "send", "Reset"),
        run(stage, "send", "--stations", "@/nowhere", "Reset", "type=Soft"),
        run(stage, "send", "--group", "nobody", "Reset", "type=Soft"),
        run(stage, "send", "--all", "Reset", "type=Gently"),
    )
    wanted = ["one of them", "write NAME=VALUE", "`filter.colour` is no field here", "only for many stations",
              "say to which station", "cannot read /nowhere", "matches no station",
              "`payload.type` is wrong for Reset"]  # fmt: skip
    for one, words in zip(done, wanted, strict=True):
        assert words in one.err
        assert one.status in (1, 2)


async def test_configurations_of_many(stage: Stage) -> None:
    """`config read` and `config apply` take the same options, and make jobs of their kinds."""
    await stage.station("CP1", group="north")
    await stage.station("CP2", group="north")
    read, applied, told, alone = await asyncio.gather(
        run(stage, "config", "read", "--group", "north", "--rate", "0.5", "--paused", "--json"),
        run(stage, "config", "apply", "--stations", "CP1,CP2", "--retry", "--json"),
        run(stage, "config", "read", "--all"),
        run(stage, "config", "apply", "--filter", "q=CP1"),
    )
    (job,) = read.lines
    assert (job["kind"], job["total"], job["state"], job["rate_per_s"]) == ("read_configuration", 2, "paused", 0.5)
    (job,) = applied.lines
    assert (job["kind"], job["payload"]) == ("apply_templates", {"retry": True})
    assert "reading configurations at 2 stations, at most 50 at a time, 10 a second: running" in told.out
    assert "applying templates at 1 station" in alone.out
    listed, shown, none, both, how = await asyncio.gather(
        run(stage, "jobs", "list"),
        run(stage, "jobs", "show", job["id"]),
        run(stage, "config", "read"),
        run(stage, "config", "apply", "CP1", "--all"),
        run(stage, "config", "apply", "CP1", "--rate", "3"),
    )
    assert "reading configurations" in listed.out
    assert "applying templates" in shown.out
    for done, words in ((none, "say which station"), (both, "not both"), (how, "only for many stations")):
        assert words in done.err
        assert done.status == 2


async def test_one_station_is_waited_for(stage: Stage) -> None:
    """`config apply CP1 --wait` is a job of one station; the exit status tells whether it is in line."""
    await stage.station("CP1")
    waiting = asyncio.create_task(run(stage, "config", "apply", "CP1", "--wait"))
    (job,) = await wait_until(lambda: stage.all_of("/jobs"), interval_s=0.1)
    assert (job["kind"], job["total"], job["filter"]) == ("apply_templates", 1, None)
    await stage.write(
        ("ZREM", keys.job_place(job["id"], "waiting"), "CP1"),
        ("HSET", keys.job(job["id"]), "n:rejected", 1, "ended_at", T0, "state", "done"),
    )
    assert (await waiting).status == 1


async def test_jobs_are_listed_shown_and_changed(stage: Stage) -> None:
    """As tables and as JSON; pause, resume and cancel say what is left."""
    await stage.station("CP1")
    await stage.station("CP2")
    (job,) = (await run(stage, "send", "--all", "Reset", "type=Soft", "--json")).lines
    await stage.write(
        ("HSET", keys.job_results(job["id"]), "CP1", pack(JobResult(outcome="rejected", at=T0, detail="Rejected"))),
        ("ZREM", keys.job_place(job["id"], "waiting"), "CP1"),
        ("HSET", keys.job(job["id"]), "n:rejected", 1),
    )
    listed, lines, shown, results, rejected = await asyncio.gather(
        run(stage, "jobs", "list"),
        run(stage, "jobs", "list", "--state", "running", "--json"),
        run(stage, "jobs", "show", job["id"]),
        run(stage, "jobs", "results", job["id"]),
        run(stage, "jobs", "results", job["id"], "--outcome", "rejected", "--json"),
    )
    assert "1 rejected" in listed.out
    assert [one["id"] for one in lines.lines] == [job["id"]]
    assert "1 of 2 ended" in shown.out
    assert "waiting" in results.out
    assert [one["station_id"] for one in rejected.lines] == ["CP1"]
    for what, words in (("pause", "paused; 1 of 2 stations not begun"), ("resume", "running"), ("cancel", "cancelled")):
        done = await run(stage, "jobs", what, job["id"])
        assert words in done.out, done.err
    assert "the job is cancelled" in (await run(stage, "jobs", "pause", job["id"])).err


async def test_a_job_is_waited_for(stage: Stage) -> None:
    """--wait goes on until the job has ended; the exit status tells whether all accepted."""
    await stage.station("CP1")
    waiting = asyncio.create_task(run(stage, "send", "--all", "ClearCache", "--wait"))
    (job,) = await wait_until(lambda: stage.all_of("/jobs"), interval_s=0.1)
    await stage.write(
        ("ZREM", keys.job_place(job["id"], "waiting"), "CP1"),
        ("HSET", keys.job(job["id"]), "n:accepted", 1, "ended_at", T0, "state", "done"),
    )
    done = await waiting
    assert (done.status, "1 station: 1 accepted" in done.out) == (0, True), done.err
    await stage.write(("HSET", keys.job(job["id"]), "n:accepted", 0, "n:timed_out", 1))
    assert (await run(stage, "jobs", "show", job["id"], "--wait", "--json")).status == 1


async def test_who_stops_waiting_stops_nothing(stage: Stage) -> None:
    """Ctrl-C ends the wait and says how to go on; the job is as it was."""
    await stage.station("CP1")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ampstream", "send", "--all", "ClearCache", "--wait", env=environment(stage),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    asked = metrics.HTTP_SECONDS.labels("/api/v1/jobs/{job_id}", "GET", "200")
    await wait_until(lambda: asked.count > 0)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    (job,) = await stage.all_of("/jobs")
    assert f"the job goes on: `ampstream jobs show {job['id']}`" in err.decode().replace("\n", " ").replace("  ", " ")
    assert (process.returncode, job["state"]) == (1, "running")
