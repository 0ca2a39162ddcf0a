"""Jobs that ended long ago are forgotten, with their results; commands have a retention of their own."""

from __future__ import annotations

from typing import Any

from workers.jobs.works import forget

from .places import WORK


async def forget_jobs(ctx: dict[Any, Any]) -> int:
    """Remove what is left of jobs that ended longer ago than the retention; returns how many."""
    return await forget(WORK, ctx["lane"], ctx["settings"].job_retention_s)
