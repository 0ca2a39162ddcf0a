"""Campaigns that ended long ago are forgotten, with their results; images stay until somebody deletes them."""

from __future__ import annotations

from typing import Any

from workers.jobs.works import forget

from .places import WORK


async def forget_campaigns(ctx: dict[Any, Any]) -> int:
    """Remove what is left of campaigns that ended longer ago than jobs are kept; returns how many."""
    return await forget(WORK, ctx["lane"], ctx["settings"].job_retention_s)
