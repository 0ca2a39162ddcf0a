"""Jobs over many stations: a few at a time, each station once, whatever becomes of stations and runners."""

from typing import Any

import msgspec
import pytest

from shared import metrics
from shared.bus import keys
from shared.bus.lane import Lane
from shared.policy import Policy
from shared.records.packing import pack
from shared.records.queries import jobs
from shared.records.queries.reading import TooManyError
from shared.records.requests import CreateStation, DeleteStation, SendCommand
from shared.settings import Settings
from tests.workers.jobs.bulk import PARTITIONS, Place, accept, site
from workers.jobs.bulk import healing, places
from workers.jobs.bulk.keeping import forget_jobs
from workers.jobs.bulk.kinds import KINDS
from workers.jobs.bulk.runner import TAKE_UP_S
from workers.services.commands import MAX_QUEUE
from workers.sweeps.fleet import Fleet
from workers.uplinks import append, asking

NAMES = [f"CP{n}" for n in range(6)]


def silent(_station: str) -> None:
    """Answer nothing."""


async def test_each_station_gets_it_once(settings: Settings, lane: Lane) -> None:
    """Every station has its result with its command, in the end the job is done, and all is told."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        job_id = await place.job(NAMES)
        found = await place.until_ended(job_id, lambda name: {"status": "Rejected" if name == "CP1" else "Accepted"})
        assert (found.state, found.outcomes["accepted"], found.outcomes["rejected"]) == ("done", 5, 1)
        assert place.sent == dict.fromkeys(NAMES, 1)
        listed, _ = await jobs.results(lane, job_id, "rejected", "", 10)
        assert [(one.station_id, one.result and one.result.detail) for one in listed] == [("CP1", "Rejected")]
        (created,), (done,) = await place.events("job.created"), await place.events("job.done")
        assert (created["job_id"], created["total"]) == (job_id, 6)
        assert (done["state"], done["outcomes"]) == ("done", {"accepted": 5, "rejected": 1})
        assert metrics.BULK_JOB_RESULTS.labels("accepted").value == 5
        assert await lane.one("HLEN", keys.BULK_JOBS_ACTIVE) == 0


async def test_no_more_at_a_time_than_wanted(settings: Settings, lane: Lane) -> None:
    """Stations that do not answer hold their places; the next begin when those have ended."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        job_id = await place.job(NAMES, concurrency=2)
        await place.beat(silent, 5)
        assert sum(place.sent.values()) == 2
        assert (await place.shown(job_id)).places == {"waiting": 4, "offline": 0, "active": 2, "queued": 0}
        place._handed.clear()
        await place.until_ended(job_id)


async def test_the_bound_over_all_jobs(settings: Settings, lane: Lane) -> None:
    """Two jobs together have no more stations at a time than the setting allows."""
    async with site(msgspec.structs.replace(settings, job_max_concurrency=3), lane) as place:
        await place.dial(*NAMES)
        ids = [await place.job(NAMES, concurrency=3) for _ in range(2)]
        await place.beat(silent, 5)
        assert sum([(await place.shown(job_id)).places["active"] for job_id in ids]) == 3


async def test_the_rate_holds(settings: Settings, lane: Lane) -> None:
    """With one station a second, four seconds begin no more than five."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        job_id = await place.job(NAMES, rate_per_s=1.0)
        await place.beat(count=16)
        assert 3 <= (await place.shown(job_id)).ended <= 5


async def test_offline_stations_stall_nothing(settings: Settings, lane: Lane) -> None:
    """They are set aside without a command, the others go on; back again, they take their turn."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        for name in ("CP1", "CP4"):
            await place.leave(name)
        job_id = await place.job(NAMES, concurrency=1)
        await place.beat(count=30)
        found = await place.shown(job_id)
        assert (found.ended, found.places["offline"], found.state) == (4, 2, "running")
        assert await lane.one("ZCARD", keys.COMMANDS) == 4
        await place.dial("CP1", "CP4")
        found = await place.until_ended(job_id)
        assert found.outcomes["accepted"] == 6


async def test_those_that_return_at_once_take_their_turns(settings: Settings, lane: Lane) -> None:
    """However many come back in one moment, no more are sent to at a time than the job allows."""
    async with site(settings, lane) as place:
        for name in NAMES:
            assert await place.system.request(name, CreateStation(request_id=f"c{name}")) == 201
        job_id = await place.job(NAMES, concurrency=2)
        await place.beat(count=4)
        assert (await place.shown(job_id)).places["offline"] == 6
        await place.dial(*NAMES)
        place.now += TAKE_UP_S
        await place.beat(silent, 4)
        assert (await place.shown(job_id)).places == {"waiting": 4, "offline": 0, "active": 2, "queued": 0}
        assert place.sent.total() == 2


async def test_a_station_that_leaves_gives_its_place_to_another(settings: Settings, lane: Lane) -> None:
    """A command that waits in its station's queue counts no more; it is delivered when the station is back."""
    async with site(settings, lane, Policy(unknown_stations="accept", boot_policy="pending")) as place:
        await place.dial("CP1")  # Pending: to such a station no RemoteStart is sent.
        job_id = await place.job(["CP1"], concurrency=1)
        await lane.one("HSET", keys.job(job_id), "r", await _as_remote_start(place, job_id))
        await place.beat(silent)
        await place.leave("CP1")
        assert (await place.results(job_id)) == {"CP1": "active"}
        await _look(place, job_id, healing.LOOK_AFTER_MS + 1)
        assert (await place.results(job_id)) == {"CP1": "queued"}


async def _as_remote_start(place: Place, job_id: str) -> bytes:
    job = (await place.shown(job_id)).job
    return pack(msgspec.structs.replace(job, action="RemoteStartTransaction", payload='{"idTag":"T"}'))


async def _look(place: Place, job_id: str, later_ms: int, hold_ms: int = 10**9) -> int:
    """Look at active stations as if so much time had passed."""
    job, now = (await place.shown(job_id)).job, await place.time() + later_ms
    return await healing.look(place.runner._site, job, "active", now, hold_ms)


async def test_an_unaccepted_station_gives_its_place_up_after_a_while(settings: Settings, lane: Lane) -> None:
    """It is there and its command waits for its registration: the job goes on without it."""
    async with site(settings, lane, Policy(unknown_stations="accept", boot_policy="rejected")) as place:
        await place.dial("CP1")
        job_id = await place.job(["CP1"])
        await place.beat(silent)
        await _look(place, job_id, 10_000, hold_ms=20_000)
        assert (await place.results(job_id)) == {"CP1": "active"}
        await _look(place, job_id, 30_000, hold_ms=20_000)
        assert (await place.results(job_id)) == {"CP1": "queued"}


async def test_what_is_not_begun_in_time_expires(settings: Settings, lane: Lane) -> None:
    """After the job's time nothing begins any more, whether stations wait or are offline."""
    async with site(settings, lane) as place:
        await place.dial("CP1")
        assert await place.system.request("CP2", CreateStation(request_id="c2")) == 201
        job_id = await place.job(["CP1", "CP2"], expires_at=await place.time() - 1)
        found = await place.until_ended(job_id)
        assert (found.state, found.outcomes["expired"], place.sent.total()) == ("done", 2, 0)


async def test_pause_and_resume(settings: Settings, lane: Lane) -> None:
    """Paused, nothing begins and what was sent ends; resumed, the rest follows. Both are told, once each."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        job_id = await place.job(NAMES, concurrency=2)
        await place.beat(silent)
        now = await place.shown(job_id)
        assert await jobs.change(lane, now, "paused", at=1, by="ops") == "changed"
        assert await jobs.change(lane, now, "paused", at=2, by="ops") == "unchanged"
        await Fleet(lane, PARTITIONS).refresh()
        assert [metrics.BULK_JOBS.labels(state).value for state in ("running", "paused")] == [0, 1]
        place._handed.clear()
        await place.beat(count=4)
        assert ((await place.shown(job_id)).ended, (await place.shown(job_id)).places["waiting"]) == (2, 4)
        assert await jobs.change(lane, now, "running", at=3, by="ops") == "changed"
        assert (await place.until_ended(job_id)).outcomes["accepted"] == 6
        assert [one["state"] for one in await place.events("job.changed") if one.get("by")] == ["paused", "running"]
        assert await jobs.change(lane, now, "paused", at=4, by="ops") == "conflict"


async def test_cancel(settings: Settings, lane: Lane) -> None:
    """What was not begun is cancelled, what is queued is taken back, what was sent ends; then the job has ended."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        blocking = SendCommand(request_id="b", action="ClearCache", payload="{}")
        assert await place.system.request("CP1", blocking) == 202  # Its answer is owed: what follows is queued.
        place._handed.update({item.command_id for item in await place.system.items() if hasattr(item, "command_id")})
        job_id = await place.job(["CP1", "CP2"])
        await place.beat(silent)
        await lane.one("ZADD", keys.job_stations(job_id), 0, "CP3")
        await lane.one("ZADD", keys.job_place(job_id, "waiting"), 0, "CP3")
        assert await jobs.change(lane, await place.shown(job_id), "cancelled", at=1, by="ops") == "changed"
        await place.beat(silent, 3)
        assert await place.results(job_id) == {"CP1": "cancelled", "CP2": "active", "CP3": "cancelled"}
        assert not (await place.shown(job_id)).ended_at
        place._handed.clear()
        found = await place.until_ended(job_id)
        assert (found.state, found.outcomes["accepted"], found.outcomes["cancelled"]) == ("cancelled", 1, 2)
        assert await jobs.change(lane, found, "running", at=4, by="ops") == "conflict"


async def test_refusals_are_results(settings: Settings, lane: Lane) -> None:
    """A station that was deleted, before its turn or after it, and one whose queue is full, are refused."""
    async with site(settings, lane) as place:
        await place.dial("CP1", "CP2", "CP3")
        for n in range(MAX_QUEUE + 1):
            asked = SendCommand(request_id=f"fill{n}", action="ClearCache", payload="{}")
            assert await place.system.request("CP1", asked) == 202
        job_id = await place.job(["CP1", "CP2", "CP3"])
        assert await place.system.request("CP2", DeleteStation(request_id="d2")) == 200
        await lane.one("HSET", keys.ONLINE, "CP2", "ocpp1.6")  # As if it went in the moment that it is begun.
        assert await place.system.request("CP3", DeleteStation(request_id="d3")) == 200
        found = await place.until_ended(job_id, silent)
        assert found.outcomes["refused"] == 3
        listed, _ = await jobs.results(lane, job_id, "refused", "", 10)
        details = {one.station_id: one.result.detail for one in listed if one.result}
        assert details == {
            "CP1": f"{MAX_QUEUE} commands wait for this station already",
            "CP2": "no such station",
            "CP3": "no such station",
        }


async def test_one_runner_at_a_time(settings: Settings, lane: Lane) -> None:
    """Only the holder of the lease advances; one that lost it meanwhile begins nothing; who takes over goes on."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        job_id = await place.job(NAMES, concurrency=2)
        await place.beat(silent)
        other = place.another("runner-2")
        place.now += 10
        await lane.one("PERSIST", keys.BULK_JOBS_RUNNER)  # However long this test stands still, it is held.
        assert not await other.beat()
        await lane.one("SET", keys.BULK_JOBS_RUNNER, "runner-2")
        before = await lane.one("ZCARD", keys.job_place(job_id, "active"))
        job = (await place.shown(job_id)).job
        assert await places.begin(place.runner._site, job, 1, 6, await place.time()) == -1
        assert await lane.one("ZCARD", keys.job_place(job_id, "active")) == before
        place.runner = other
        place._handed.clear()
        await place.until_ended(job_id)
        assert await lane.one("ZCARD", keys.COMMANDS) == len(NAMES)


async def test_a_redelivered_request_queues_nothing_twice(settings: Settings, lane: Lane) -> None:
    """The same request once more on the uplink, also long after its command ended, is one command."""
    async with site(settings, lane) as place:
        await place.dial("CP1")
        job_id = await place.job(["CP1"])
        await place.until_ended(job_id)
        job = (await place.shown(job_id)).job
        for _ in range(2):
            await lane.one(*append(asking("CP1", KINDS["command"].begin(job, "CP1", 0)), PARTITIONS))
        await place.system.settle()
        await place.answer()
        assert place.sent["CP1"] == 1


async def test_a_lost_result_is_found(settings: Settings, lane: Lane) -> None:
    """Where a result did not come, the command's record tells; a request without a trace is an error, in its time."""
    async with site(settings, lane) as place:
        await place.dial("CP1", "CP2")
        job_id = await place.job(["CP1", "CP2"])
        await place.beat()
        await lane.one("DEL", keys.job_ended(job_id))
        (record,) = [key async for key in _matching(lane, "s:{CP2}:cmd:*")]
        await lane.one("DEL", record)
        assert await _look(place, job_id, healing.LOOK_AFTER_MS + 1) == 1
        assert await place.results(job_id) == {"CP1": "accepted", "CP2": "active"}
        assert await _look(place, job_id, healing.LOST_MS + 1000) == 1
        assert (await place.until_ended(job_id)).outcomes["error"] == 1


async def test_a_request_that_is_still_on_the_uplink_is_not_lost(settings: Settings, lane: Lane) -> None:
    """However long the workers take, what they have not decided yet is waited for."""
    async with site(settings, lane) as place:
        await place.dial("CP1")
        job_id = await place.job(["CP1"])
    place.now += 1
    await place.runner.beat()
    assert await _look(place, job_id, 10 * healing.LOST_MS) == 0
    assert await place.results(job_id) == {"CP1": "active"}


async def _matching(lane: Lane, pattern: str) -> Any:
    for key in await lane.one("KEYS", pattern):
        yield key


async def test_a_repeated_request_makes_one_job(settings: Settings, lane: Lane) -> None:
    """The same digest gets the first job, and nothing of the second stays; too many jobs are refused."""
    async with site(settings, lane) as place:
        first = await place.shown(await place.job(NAMES))
        again = msgspec.structs.replace(first.job, job_id="another")
        assert await jobs.create(lane, again, NAMES, state="running", digest=first.job.job_id) == first.job.job_id
        assert await lane.one("KEYS", "j:{another}:*") == []
        await lane.execute([("HSET", keys.BULK_JOBS_ACTIVE, f"j{n}", "paused") for n in range(jobs.MAX_ACTIVE)])
        with pytest.raises(TooManyError):
            await place.job(NAMES)


async def test_jobs_are_forgotten(settings: Settings, lane: Lane) -> None:
    """Nothing of a job is left once its retention is over; what has not ended stays."""
    async with site(settings, lane) as place:
        await place.dial("CP1")
        old, paused = await place.job(["CP1"]), await place.job(["CP1"], state="paused")
        await place.until_ended(old)
        context = {"lane": lane, "settings": settings, "partitions": PARTITIONS}
        assert await forget_jobs(context) == 0
        await lane.one("ZADD", keys.BULK_JOBS_ENDED, 1, old)
        assert await forget_jobs(context) == 1
        assert await lane.one("KEYS", f"j:{{{old}}}:*") == []
        assert [one.job.job_id for one in (await jobs.page(lane, None, None, 10))[0]] == [paused]
        assert accept("CP1")
