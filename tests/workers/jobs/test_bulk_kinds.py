"""Jobs that read configurations and apply templates: begun, looked at, taken back, each station once."""

from typing import Any

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.configuration import Configured
from shared.records.packing import pack, unpack
from shared.records.queries import jobs
from shared.settings import Settings
from tests.workers.jobs.bulk import Place, site
from workers.jobs.bulk import healing
from workers.jobs.bulk.kinds import KINDS

NAMES = ["CP1", "CP2"]


def told(station: str) -> Any:
    """Tell one key; CP2 knows none."""
    return {"configurationKey": [{"key": "A", "readonly": False, "value": "1"}] if station == "CP1" else []}


def silent(_station: str) -> None:
    """Answer nothing."""


async def make(place: Place, kind: str = "read_configuration", **fields: Any) -> str:
    """Make a job of a kind."""
    return await place.job(NAMES, kind=kind, action="", payload="{}", **fields)


async def test_configurations_are_read(settings: Settings, lane: Lane) -> None:
    """Each station is asked until it tells, or until there is nothing left to ask; its result says how much."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        job_id = await make(place)
        found = await place.until_ended(job_id, told)
        assert (found.state, found.outcomes["accepted"]) == ("done", 2)
        listed, _ = await jobs.results(lane, job_id, "accepted", "", 10, kind="read_configuration")
        assert [one.result and one.result.detail for one in listed] == ["1 keys", "0 keys"]
        (created,) = await place.events("job.created")
        assert created["kind"] == "read_configuration"


async def test_templates_are_applied(settings: Settings, lane: Lane) -> None:
    """Where no template matches, a station that was read is in order."""
    async with site(settings, lane) as place:
        await place.dial("CP1")
        job_id = await place.job(["CP1"], kind="apply_templates", action="", payload='{"retry":true}')
        found = await place.until_ended(job_id, told)
        assert found.outcomes["accepted"] == 1


async def test_a_job_that_is_cancelled(settings: Settings, lane: Lane) -> None:
    """A station that did not answer yet leaves it once nothing is on the way, and the job ends."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        await place.leave("CP2")
        await lane.one("HSET", keys.ONLINE, "CP2", "ocpp1.6")  # As if it left in the moment that it is begun.
        job_id = await make(place)
        await place.beat(silent)
        (one, _), _ = await jobs.results(lane, job_id, None, "", 10, kind="read_configuration")
        assert (one.place, one.command_id) == ("active", "")
        await jobs.change(lane, await place.shown(job_id), "cancelled", at=1, by="ops")
        await place.beat(silent, 3)
        assert await place.results(job_id) == {"CP1": "active", "CP2": "cancelled"}
        place._handed.clear()
        found = await place.until_ended(job_id, told)
        assert (found.outcomes["accepted"], found.outcomes["cancelled"]) == (1, 1)


async def look(place: Place, job_id: str, begun_at: int, now: int) -> dict[str, Any]:
    """Return what a look sees of each station."""
    job = (await place.shown(job_id)).job
    seen = await KINDS[job.kind].look(place.lane, job, [(name, begun_at) for name in NAMES], now)
    shown = [one if one is None or isinstance(one, str) else one.outcome for one in seen]
    return dict(zip(NAMES, shown, strict=True))


async def test_what_became_of_a_station(settings: Settings, lane: Lane) -> None:
    """By its sections: a command is on the way, it waits, its time is over; or it was read since, or could not be."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        await place.leave("CP2")
        await lane.one("HSET", keys.ONLINE, "CP2", "ocpp1.6")
        begun_at = await place.time()
        read, applied = await make(place), await make(place, "apply_templates")
        assert await look(place, read, begun_at, begun_at) == {"CP1": None, "CP2": None}
        await place.beat(silent)
        for job_id in (read, applied):
            assert await look(place, job_id, begun_at, begun_at) == {"CP1": "sent", "CP2": "queued"}
            later = (await place.shown(job_id)).job.expires_at
            assert await look(place, job_id, begun_at, later) == {"CP1": "sent", "CP2": "expired"}
        place._handed.clear()
        await place.answer(told)
        await forget(lane, "CP2", failed_at=begun_at, failure="it fell over")
        for job_id in (read, applied):
            assert await look(place, job_id, begun_at, begun_at) == {"CP1": "accepted", "CP2": "error"}


async def forget(lane: Lane, name: str, **fields: Any) -> None:
    """Let a station know nothing of jobs, as one has it that a worker of an older release served."""
    configured = unpack(await lane.one("HGET", keys.state(name), "cf"), Configured)
    changed = msgspec.structs.replace(configured, jobs={}, **fields)
    await lane.one("HSET", keys.state(name), "cf", pack(changed))


async def test_a_lost_result_is_found(settings: Settings, lane: Lane) -> None:
    """Where a result did not come, the station's own record of its read is the result."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        job_id = await make(place)
        await place.beat(told)
        await lane.one("DEL", keys.job_ended(job_id))
        job, now = (await place.shown(job_id)).job, await place.time() + healing.LOOK_AFTER_MS + 1
        assert await healing.look(place.runner._site, job, "active", now, 10**9) == 1
        assert (await place.results(job_id))["CP1"] == "accepted"
