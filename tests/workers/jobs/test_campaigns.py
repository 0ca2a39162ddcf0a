"""Campaigns of firmware on a real Valkey: canaries, batches, windows, failures, retries, restarts."""

from __future__ import annotations

import pytest

from edge.operators.models.firmware import CampaignStation
from shared.bus import firmware_keys as keys
from shared.bus.lane import Lane
from shared.records import files_links
from shared.records.firmware import UpdateResult
from shared.records.packing import pack
from shared.records.queries import firmware
from shared.records.requests import DeleteStation
from shared.records.windows import Window, Windows
from shared.settings import Settings
from tests.workers.jobs.campaign import BAD, DAY_MS, PARTITIONS, SILENT, site
from workers.jobs.firmware import healing, places
from workers.jobs.firmware.keeping import forget_campaigns

NAMES = [f"CP{n}" for n in range(6)]


async def test_canaries_first_then_batches(settings: Settings, lane: Lane) -> None:
    """One canary alone, then two at a time; each with a link of its own; the campaign is done once all have booted."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES[:5])
        number = await place.campaign(NAMES[:5], canary=1, batch=2)
        await place.beat()
        assert len(place.updated) == 1
        counts = []
        while not (await place.shown(number)).ended_at:
            await place.beat()
            counts.append(len(place.updated))
        assert sorted(set(counts)) == [1, 3, 5]
        assert (await place.shown(number)).outcomes["updated"] == 5
        assert len(set(place.locations)) == 5
        key = await files_links.load_key(lane)
        links = [files_links.read(key, one.split("/transfer/")[1].split("/")[0]) for one in place.locations]
        assert [link.station_id for link in links] == place.updated
        assert [one["outcomes"] for one in await place.events("campaign.done")] == [{"updated": 5}]
        stages = [one["stage"] for one in await place.events("firmware.update") if one["station_id"] == "CP0"]
        assert stages == ["requested", "downloading", "updated"]


async def test_a_failed_canary_stops(settings: Settings, lane: Lane) -> None:
    """Nobody else begins; resumed, the others have their turn."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES[:3])
        place.manner = dict.fromkeys(NAMES, BAD)
        number = await place.campaign(NAMES[:3], canary=1, batch=1)
        one = await place.until(number, state="stopped")
        assert one.reason == "1 of 1 canaries failed"
        await place.beat(3)
        assert len(place.updated) == 1
        assert [each["reason"] for each in await place.events("campaign.changed") if "reason" in each] == [
            "1 of 1 canaries failed"
        ]
        place.manner = {}
        assert await firmware.change(lane, one, "running", at=await place.time(), by="me") == "changed"
        one = await place.until(number, ended=True)
        assert (one.outcomes["updated"], one.outcomes["failed"], one.reason) == (2, 1, "")


async def test_too_many_failures_stop(settings: Settings, lane: Lane) -> None:
    """A share above the limit, once enough have ended, stops it; what is under way goes on; retry begins anew."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        number = await place.campaign(NAMES, batch=2, failure_sample=3, max_failure_percent=50)
        order = [one.decode() for one in await lane.one("ZRANGE", keys.campaign_place(number, "waiting"), 0, -1)]
        place.manner = dict.fromkeys(order[1:4], BAD)
        one = await place.until(number, state="stopped")
        assert (one.reason, one.places["waiting"]) == ("3 of 4 stations failed", 2)
        place.manner = {}
        assert await firmware.revive(lane, one, at=await place.time(), by="me") == 3
        one = await place.until(number, ended=True)
        assert (one.outcomes["updated"], one.outcomes["failed"]) == (6, 0)
        assert sorted((await place.tries()).values()) == [1, 1, 1, 2, 2, 2]


async def test_attempts(settings: Settings, lane: Lane) -> None:
    """A failed station is tried again after its wait, with a fresh link; it has failed after the last attempt."""
    async with site(settings, lane) as place:
        await place.dial("CP1")
        place.manner = {"CP1": BAD}
        number = await place.campaign(["CP1"], attempts=2, retry_wait_s=600)
        await place.until(number, resting=1)
        await place.beat(2)
        assert len(place.updated) == 1
        (resting,), _ = await firmware.stations(lane, number, "resting", "", 10)
        shown = CampaignStation.of(resting)
        assert (shown.outcome, shown.attempt, shown.stage, shown.detail) == (
            "resting", 2, "downloading", "DownloadFailed",
        )  # fmt: skip
        place.ahead_ms += 601_000
        one = await place.until(number, ended=True)
        assert (one.outcomes["failed"], len(set(place.locations))) == (1, 2)
        (found,), _ = await firmware.stations(lane, number, None, "", 10)
        assert found.result is not None
        assert (found.result.attempt, found.result.stage, found.result.detail) == (2, "downloading", "DownloadFailed")


async def test_a_window(settings: Settings, lane: Lane) -> None:
    """Outside of it nobody begins; the command may not be sent after its end."""
    async with site(settings, lane) as place:
        await place.dial("CP1")
        now = await place.time()
        minute = now // 60_000 % 1440
        window = Window(begin=(minute + 120) % 1440, end=(minute + 121) % 1440)
        number = await place.campaign(["CP1"], windows=Windows((window,)))
        await place.beat(3)
        assert not place.updated
        place.ahead_ms = 120 * 60_000 - now % 60_000  # At its first moment: all of its minute is left.
        await place.until(number, ended=True)
        assert place.updated == ["CP1"]


async def test_who_is_offline_waits(settings: Settings, lane: Lane) -> None:
    """One that is away stalls nobody, and has its turn when it is back; one that is no more is refused."""
    async with site(settings, lane) as place:
        await place.dial("CP1", "CP2")
        await place.leave("CP2")
        number = await place.campaign(["CP1", "CP2", "NOBODY"], batch=1)
        await place.until(number, updated=1, offline=1, refused=1)
        await place.dial("CP2")
        one = await place.until(number, ended=True)
        assert (one.outcomes["updated"], one.outcomes["refused"]) == (2, 1)


async def test_one_that_has_the_version(settings: Settings, lane: Lane) -> None:
    """It is current, and is sent nothing."""
    async with site(settings, lane) as place:
        await place.dial("CP1", firmware="2.0.0")
        number = await place.campaign(["CP1"])
        one = await place.until(number, ended=True)
        assert (one.outcomes["current"], place.updated) == (1, [])


async def test_pause_and_cancel(settings: Settings, lane: Lane) -> None:
    """Paused nobody begins; cancelled those that wait end at once, and what is under way ends as it ends."""
    async with site(settings, lane) as place:
        await place.dial("CP1", "CP2")
        place.manner = dict.fromkeys(NAMES, SILENT)
        number = await place.campaign(["CP1", "CP2"], batch=1, state="paused")
        await place.beat(2)
        assert not place.updated
        await firmware.change(lane, await place.shown(number), "running", at=1, by="me")
        one = await place.until(number, active=1)
        await firmware.change(lane, one, "cancelled", at=2, by="me")
        one = await place.until(number, cancelled=1, active=1)
        await place.dial(*place.updated, firmware="2.0.0")
        one = await place.until(number, ended=True)
        assert (one.state, one.outcomes["updated"], one.outcomes["cancelled"]) == ("cancelled", 1, 1)


async def test_it_expires(settings: Settings, lane: Lane) -> None:
    """After its time nobody begins any more."""
    async with site(settings, lane) as place:
        number = await place.campaign(["CP1"])
        place.ahead_ms = 31 * DAY_MS
        one = await place.until(number, ended=True)
        assert one.outcomes["expired"] == 1


async def test_another_worker_goes_on(settings: Settings, lane: Lane) -> None:
    """A runner that dies in the middle of anything: the next one goes on, and nobody is commanded twice."""
    async with site(settings, lane) as place:
        await place.dial(*NAMES)
        number = await place.campaign(NAMES, canary=1, batch=3)
        for n in range(20):
            await lane.one("DEL", keys.CAMPAIGNS_RUNNER)  # As if it had died long ago.
            place.runner = place.another(f"runner-{n}")
            await place.beat()
            if (await place.shown(number)).ended_at:
                break
        one = await place.shown(number)
        assert (one.outcomes["updated"], one.state) == (6, "done")
        assert set((await place.tries()).values()) == {1}


async def test_who_lost_the_lease_begins_nobody(settings: Settings, lane: Lane) -> None:
    """Between a runner's look and its step another one took over: the step does nothing."""
    async with site(settings, lane) as place:
        await place.dial("CP1")
        number = await place.campaign(["CP1"])
        await lane.one("SET", keys.CAMPAIGNS_RUNNER, "another")
        late = places.Site(lane, PARTITIONS, "runner-1", settings, b"key")
        assert await places.begin(late, await place.shown(number), 1, 1, await place.time()) == 0
        await place.beat(2)
        assert (await place.results(number), place.updated) == ({"CP1": "waiting"}, [])


async def test_a_result_counts_once(settings: Settings, lane: Lane) -> None:
    """A result that comes again, of an attempt that is over, changes nothing."""
    async with site(settings, lane) as place:
        await place.dial("CP1")
        place.manner = {"CP1": BAD}
        number = await place.campaign(["CP1"], attempts=3)
        await place.until(number, resting=1)
        again = UpdateResult(outcome="failed", turn=1, attempt=1)
        await lane.one("HSET", keys.campaign_ended(number), "CP1", pack(again))
        await place.beat(2)
        assert await lane.one("HGET", keys.campaign_tries(number), "CP1") == b"2:2"
        assert (await place.shown(number)).places["resting"] == 1


async def test_lost_results_are_found(settings: Settings, lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a result got lost the station's own state tells; where the station was deleted it is refused."""
    monkeypatch.setattr(healing, "LOOK_AFTER_MS", -DAY_MS)
    async with site(settings, lane) as place:
        await place.dial("CP1", "CP2")
        place.manner = {"CP1": BAD, "CP2": SILENT}
        number = await place.campaign(["CP1", "CP2"], batch=2)
        await place.beat()
        await lane.one("DEL", keys.campaign_ended(number))
        one = await place.until(number, failed=1)
        await place.system.request("CP2", DeleteStation(request_id="d", force=True))
        await lane.one("DEL", keys.campaign_ended(number))
        one = await place.until(number, ended=True)
        assert (one.outcomes["failed"], one.outcomes["refused"]) == (1, 1)


async def test_old_campaigns_are_forgotten(settings: Settings, lane: Lane) -> None:
    """With all of their keys, once the retention is over."""
    async with site(settings, lane) as place:
        await place.dial("CP1")
        number = await place.campaign(["CP1"])
        await place.until(number, ended=True)
        assert await forget_campaigns({"lane": lane, "settings": settings}) == 0
        await lane.one("ZADD", keys.CAMPAIGNS_ENDED, 1, number)
        assert await forget_campaigns({"lane": lane, "settings": settings}) == 1
        left = await lane.one("KEYS", f"w:{{{number}}}*")
        assert not left
