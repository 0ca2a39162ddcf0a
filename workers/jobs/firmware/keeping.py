"""Campaigns that ended long ago are forgotten, with their results; images stay until somebody deletes them."""

from __future__ import annotations

from typing import Any, Final

from shared.bus import firmware_keys as keys
from shared.bus.lane import Lane
from shared.records.firmware import PLACES
from shared.records.queries.reading import replies

AT_ONCE: Final = 100


async def forget_campaigns(ctx: dict[Any, Any]) -> int:
    """Remove what is left of campaigns that ended longer ago than jobs are kept; returns how many."""
    lane: Lane = ctx["lane"]
    settings = ctx["settings"]
    seconds, _ = await lane.one("TIME")
    before, forgotten = (int(seconds) - settings.job_retention_s) * 1000, 0
    while found := await lane.one("ZRANGE", keys.CAMPAIGNS_ENDED, "-inf", before, "BYSCORE", "LIMIT", 0, AT_ONCE):
        for number in (name.decode() for name in found):
            whole = [keys.campaign(number), keys.campaign_stations(number), keys.campaign_results(number)]
            whole += [keys.campaign_ended(number), keys.campaign_tries(number)]
            whole += [keys.campaign_place(number, place) for place in PLACES]
            # The index last: a crash in between leaves a campaign that is found here again.
            await replies(
                lane,
                [("UNLINK", *whole), ("ZREM", keys.CAMPAIGNS, number), ("ZREM", keys.CAMPAIGNS_ENDED, number)],
            )
            forgotten += 1
    return forgotten
