"""A runner of campaigns on a real Valkey, moved beat by beat with a clock of its own, and stations that update.

async with site(settings, lane) as place:
    await place.dial("CP1", "CP2")
    number = await place.campaign(["CP1", "CP2"])
    await place.until_ended(number)
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Command, Kind
from shared.records.commands import make_id
from shared.records.firmware import Campaign, CampaignNow, CampaignState, Image, make_campaign_id
from shared.records.queries import firmware
from shared.settings import Settings
from tests.support import wait_until
from tests.workers.jobs.stage import Station, System, stage
from workers.jobs.firmware.runner import Runner
from workers.services import registration

PARTITIONS = 2
DAY_MS = 24 * 3600 * 1000
BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
GOOD, BAD, SILENT = "good", "bad", "silent"


class Place:
    """Workers, a runner with a clock of its own, and stations that do what `manner` says."""

    def __init__(self, system: System, settings: Settings) -> None:
        self.system = system
        self.lane = system.lane
        self.settings = settings
        self.ahead_ms = 0
        """How far the runner's clock is ahead of Redis's."""
        self.manner: dict[str, str] = {}
        self.updated: list[str] = []
        """Stations in the order of their commands."""
        self.locations: list[str] = []
        self._stations: dict[str, Station] = {}
        self._handed: set[str] = set()
        self._numbers = itertools.count()
        self._ticks = 0.0
        self.runner = self.another("runner-1")

    def another(self, holder: str) -> Runner:
        """Return one more runner, as another worker has it."""

        def clock() -> float:
            self._ticks += 100.0  # Whatever is done now and then is done with each beat.
            return self._ticks

        return Runner(self.lane, self.settings, PARTITIONS, holder, clock=clock)

    async def dial(self, *names: str, firmware: str = "1.0.0") -> None:
        """Let stations come and boot."""
        for name in names:
            station = self._stations[name] = await self.system.dial(name)
            await station.call("BootNotification", {**BOOT, "firmwareVersion": firmware})

    async def leave(self, name: str) -> None:
        """Let a station go."""
        await self._stations[name].close()
        await self.system.settle()

    async def time(self) -> int:
        """Return the runner's time."""
        seconds, micros = await self.lane.one("TIME")
        return int(seconds) * 1000 + int(micros) // 1000 + self.ahead_ms

    async def campaign(self, stations: Sequence[str], *, state: CampaignState = "running", **fields: Any) -> str:
        """Make a campaign for 2.0.0."""
        now = await self.time()
        number = next(self._numbers)
        image = Image(image_id=f"i{number}", version="2.0.0", file_name="f-2.0.0.bin", file_id=make_id(now, "f"))
        campaign = Campaign(
            campaign_id=make_campaign_id(now, str(number)),
            total=len(stations),
            created_at=now,
            created_by="test",
            **{"image": image, "attempts": 1, "expires_at": now + 30 * DAY_MS, **fields},
        )
        return await firmware.create(self.lane, campaign, stations, state=state, digest=campaign.campaign_id)

    async def shown(self, number: str) -> CampaignNow:
        """Return a campaign as it stands."""
        found = await firmware.campaign(self.lane, number)
        assert found is not None
        return found

    async def results(self, number: str) -> dict[str, str]:
        """Return each station's outcome, or where it is."""
        found, after = await firmware.stations(self.lane, number, None, "", 10_000)
        assert not after
        return {one.station_id: one.result.outcome if one.result else str(one.place) for one in found}

    async def beat(self, count: int = 1) -> None:
        """Let the runner beat, workers decide, and stations do what came."""
        for _ in range(count):
            await self.runner.beat(await self.time())
            await self.system.settle()
            await self.act()

    async def act(self) -> None:
        """Let stations carry out the commands that they have not seen yet."""
        for item in await self.system.items():
            if not isinstance(item, Command) or item.command_id in self._handed:
                continue
            self._handed.add(item.command_id)
            action, payload = msgspec.json.decode(item.frame)[2:]
            if action != "UpdateFirmware":
                continue
            self.updated.append(item.station)
            self.locations.append(payload["location"])
            frame = msgspec.json.encode([3, item.command_id, {}])
            await self.system.append(Kind.ANSWER, item.station, item.epoch, 0, frame)
            await self._update(self._stations[item.station], self.manner.get(item.station, GOOD))
        await self.system.settle()

    async def _update(self, station: Station, manner: str) -> None:
        if manner == SILENT:
            return
        await station.call("FirmwareStatusNotification", {"status": "Downloading"})
        if manner == BAD:
            await station.call("FirmwareStatusNotification", {"status": "DownloadFailed"})
        else:
            await station.call("BootNotification", {**BOOT, "firmwareVersion": "2.0.0"})

    async def until(self, number: str, **wanted: Any) -> CampaignNow:
        """Beat until a campaign is as wanted: fields of `CampaignNow`, counts of places or outcomes."""

        async def reached() -> CampaignNow | None:
            await self.beat()
            one = await self.shown(number)
            counts = {str(name): count for name, count in (*one.outcomes.items(), *one.places.items())}
            known: dict[str, Any] = {**counts, "state": one.state, "ended": bool(one.ended_at)}
            return one if all(known[name] == value for name, value in wanted.items()) else None

        found = await wait_until(reached)
        assert found is not None
        return found

    async def tries(self) -> Counter[str]:
        """Return how often each station was commanded."""
        return Counter(self.updated)

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a type."""
        entries = await self.lane.one("XRANGE", keys.EVENTS, "-", "+")
        found = [event for _, fields in entries for event in msgspec.msgpack.decode(fields[1])]
        return [event for event in found if event["type"] == kind]


@asynccontextmanager
async def site(settings: Settings, lane: Lane) -> AsyncIterator[Place]:
    """Run workers for the length of the block."""
    # Nobody sweeps timers here: commands go out right after the boot.
    with patch.object(registration, "SETTLE_MS", 0):
        async with stage(settings, lane, None, PARTITIONS) as system:
            yield Place(system, settings)
