"""A runner on a real Valkey, moved beat by beat, and stations that answer what they are sent.

async with site(settings, lane) as place:
    job_id = await place.job(["CP1", "CP2"])
    await place.until_ended(job_id)
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Command, Kind
from shared.policy import Policy
from shared.records.jobs import Job, JobNow, JobState, make_job_id
from shared.records.queries import jobs
from shared.settings import Settings
from tests.support import wait_until
from tests.workers.jobs.stage import Station, System, stage
from workers.jobs.bulk.runner import Runner
from workers.services import registration

PARTITIONS = 2
DAY_MS = 24 * 3600 * 1000
BEAT_S = 0.25
RESET = {"action": "Reset", "payload": '{"type":"Soft"}'}
Answers = Callable[[str], Any]
"""(station) -> its payload, or None: it does not answer."""


def accept(_station: str) -> dict[str, str]:
    """Answer every command with Accepted."""
    return {"status": "Accepted"}


class Place:
    """Workers, a runner with a clock of its own, and stations."""

    def __init__(self, system: System, settings: Settings) -> None:
        self.system = system
        self.lane = system.lane
        self.settings = settings
        self.now = 1000.0
        self.sent: Counter[str] = Counter()
        """How many commands each station was handed."""
        self._handed: set[str] = set()
        self._stations: dict[str, Station] = {}
        self._numbers = itertools.count()
        self.runner = self.another("runner-1")

    def another(self, holder: str) -> Runner:
        """Return one more runner, as another worker has it."""
        return Runner(self.lane, self.settings, PARTITIONS, holder, clock=lambda: self.now, draw=lambda: 0.0)

    async def dial(self, *names: str) -> None:
        """Let stations come and boot."""
        for name in names:
            self._stations[name] = await self.system.dial(name)

    async def leave(self, name: str) -> None:
        """Let a station go."""
        await self._stations[name].close()
        await self.system.settle()

    async def job(self, stations: Sequence[str], *, state: JobState = "running", **fields: Any) -> str:
        """Make a job that soft-resets stations, as fast as it may."""
        now = await self.time()
        job = Job(
            job_id=make_job_id(now, str(next(self._numbers))),
            total=len(stations),
            created_at=now,
            created_by="test",
            **{**RESET, "concurrency": 100, "rate_per_s": 1000.0, "expires_at": now + DAY_MS, **fields},
        )
        return await jobs.create(self.lane, job, stations, state=state, digest=job.job_id)

    async def time(self) -> int:
        """Return Redis's time."""
        seconds, micros = await self.lane.one("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def shown(self, job_id: str) -> JobNow:
        """Return a job as it stands."""
        found = await jobs.job(self.lane, job_id)
        assert found is not None
        return found

    async def results(self, job_id: str) -> dict[str, str]:
        """Return each station's outcome, or where it is."""
        found, after = await jobs.results(self.lane, job_id, None, "", 10_000)
        assert not after
        return {one.station_id: one.result.outcome if one.result else str(one.place) for one in found}

    async def beat(self, answers: Answers = accept, count: int = 1) -> None:
        """Let the runner beat, workers decide, and stations answer what came."""
        for _ in range(count):
            for _ in range(2):  # What the first sets for the time up to the second begins with that.
                self.now += BEAT_S / 2
                await self.runner.beat()
            await self.system.settle()
            await self.answer(answers)

    async def answer(self, answers: Answers = accept) -> None:
        """Let stations answer the commands that they have not seen yet."""
        for item in await self.system.items():
            if not isinstance(item, Command) or item.command_id in self._handed:
                continue
            self._handed.add(item.command_id)
            self.sent[item.station] += 1
            payload = answers(item.station)
            if payload is not None:
                frame = msgspec.json.encode([3, item.command_id, payload])
                await self.system.append(Kind.ANSWER, item.station, item.epoch, 0, frame)
        await self.system.settle()

    async def until_ended(self, job_id: str, answers: Answers = accept) -> JobNow:
        """Beat until a job has ended."""

        async def ended() -> JobNow | None:
            await self.beat(answers)
            found = await self.shown(job_id)
            return found if found.ended_at else None

        found = await wait_until(ended)
        assert found is not None
        return found

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a type."""
        entries = await self.lane.one("XRANGE", keys.EVENTS, "-", "+")
        found = [event for _, fields in entries for event in msgspec.msgpack.decode(fields[1])]
        return [event for event in found if event["type"] == kind]


@asynccontextmanager
async def site(settings: Settings, lane: Lane, policy: Policy | None = None) -> AsyncIterator[Place]:
    """Run workers for the length of the block."""
    # Nobody sweeps timers here: commands go out right after the boot.
    with patch.object(registration, "SETTLE_MS", 0):
        async with stage(settings, lane, policy, PARTITIONS) as system:
            yield Place(system, settings)
