"""Jobs that ended long ago are forgotten, with their results; commands have a retention of their own."""

from __future__ import annotations

from typing import Any, Final

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.jobs import PLACES
from shared.records.queries.reading import replies

AT_ONCE: Final = 100


async def forget_jobs(ctx: dict[Any, Any]) -> int:
    """Remove what is left of jobs that ended longer ago than the retention; returns how many."""
    lane: Lane = ctx["lane"]
    settings = ctx["settings"]
    seconds, _ = await lane.one("TIME")
    before, forgotten = (int(seconds) - settings.job_retention_s) * 1000, 0
    while found := await lane.one("ZRANGE", keys.BULK_JOBS_ENDED, "-inf", before, "BYSCORE", "LIMIT", 0, AT_ONCE):
        for job_id in (name.decode() for name in found):
            whole = [keys.job(job_id), keys.job_stations(job_id), keys.job_results(job_id), keys.job_ended(job_id)]
            whole += [keys.job_place(job_id, place) for place in PLACES]
            # The index last: a crash in between leaves a job that is found here again.
            await replies(
                lane,
                [("UNLINK", *whole), ("ZREM", keys.BULK_JOBS, job_id), ("ZREM", keys.BULK_JOBS_ENDED, job_id)],
            )
            forgotten += 1
    return forgotten
