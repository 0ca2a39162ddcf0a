"""A job through whatever comes, in any order: every station once at most, every result there, the limit kept."""

from random import Random

import pytest

from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Command
from shared.records.queries import jobs
from shared.settings import Settings
from tests.workers.jobs.bulk import Place, accept, site
from workers.jobs.bulk.runner import TAKE_UP_S

NAMES = [f"CP{n:02}" for n in range(10)]
STEPS = 30
CONCURRENCY = 3


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens(settings: Settings, lane: Lane, seed: int) -> None:
    """Stations come, go and fall silent, runners take over, operators pause and resume: it ends, nothing twice."""
    rng = Random(seed)
    async with site(settings, lane) as place:
        await place.dial(*NAMES[:6])
        for name in NAMES[6:]:
            await place.dial(name)
            await place.leave(name)
        job_id = await place.job(NAMES, concurrency=CONCURRENCY)
        here = set(NAMES[:6])
        for _ in range(STEPS):
            await step(place, job_id, rng, here)
            assert (await place.shown(job_id)).places["active"] <= CONCURRENCY
        await jobs.change(lane, await place.shown(job_id), "running", at=1, by="end")
        await place.dial(*NAMES)  # An older session's command ends here.
        place.now += TAKE_UP_S
        found = await place.until_ended(job_id)
        assert (found.state, found.ended) == ("done", len(NAMES))
        sent = [item.station for item in await place.system.items() if isinstance(item, Command)]
        assert len(sent) == len(set(sent))
        assert await lane.one("ZCARD", keys.COMMANDS) == len(NAMES)
        outcomes = set((await place.results(job_id)).values())
        assert outcomes <= {"accepted", "timed_out"}


async def step(place: Place, job_id: str, rng: Random, here: set[str]) -> None:
    """Let one thing happen."""
    what = rng.choice(["beat", "beat", "beat", "silence", "leave", "come", "pause", "resume", "take over", "later"])
    if what == "beat":
        await place.beat(lambda name: accept(name) if name in here else None)
    elif what == "silence":
        await place.beat(lambda _: None)
    elif what == "leave" and here:
        name = rng.choice(sorted(here))
        here.discard(name)
        await place.leave(name)
    elif what == "come" and len(here) < len(NAMES):
        name = rng.choice(sorted(set(NAMES) - here))
        here.add(name)
        await place.dial(name)
    elif what in ("pause", "resume"):
        now = await place.shown(job_id)
        await jobs.change(place.lane, now, "paused" if what == "pause" else "running", at=1, by="random")
    elif what == "take over":
        holder = f"runner-{rng.randrange(10**6)}"
        await place.lane.one("SET", keys.BULK_JOBS_RUNNER, holder, "PX", 3000)
        await place.runner.beat()  # The one that lost the lease does nothing.
        place.runner = place.another(holder)
    elif what == "later":
        place.now += TAKE_UP_S
