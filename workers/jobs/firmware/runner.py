"""Advances every campaign that has not ended: one worker at a time holds the lease, and loses it when it stops asking.

A beat reads all campaigns in one round trip, takes in the results that came, and does what each one's state asks for:

    running     canaries or a batch begin, inside a window; those that were offline are taken up when they are back
    stopped     nobody begins; what is under way goes on
    cancelled   what was not begun ends; what was not sent is taken back
    always      results are taken in, late stations looked at; a campaign without open stations ends
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from shared import metrics
from shared.bus import firmware_keys as keys
from shared.bus import keys as station_keys
from shared.bus.clock import ms_of
from shared.bus.lane import Lane
from shared.bus.lease import Lease
from shared.logs import get_logger
from shared.records import files_links
from shared.records.firmware import CampaignNow, UpdateResult
from shared.records.packing import pack, unpack
from shared.records.queries import firmware
from shared.records.queries.reading import replies
from shared.settings import Settings
from workers.jobs.alone import alone
from workers.jobs.rhythm import Rhythm
from workers.jobs.works import standing

from . import healing, places
from .deciding import decide
from .places import Site

log = get_logger(__name__)

HOLD_MS: Final = 3000
"""Another worker takes over so long after the last beat of one that died."""
BUSY_S: Final = 0.5
IDLE_S: Final = 2.0
TAKE_UP_S: Final = 5.0
HEAL_S: Final = 10.0
TELL_S: Final = 5.0
TAKE_BACK_S: Final = 60.0
ITSELF: Final = "campaign"
"""Who changed a campaign that stopped by itself."""
STATES: Final = ("running", "paused", "stopped", "cancelled")


class Runner:
    """One worker's runner; `holder` is the worker's unique name."""

    def __init__(
        self, lane: Lane, settings: Settings, partitions: int, holder: str, *, clock: Callable[[], float] | None = None
    ) -> None:
        self.lease = Lease(lane, keys.CAMPAIGNS_RUNNER, holder, HOLD_MS)
        self._lane = lane
        self._settings = settings
        self._partitions = partitions
        self._holder = holder
        self._clock = clock or asyncio.get_running_loop().time
        self._going: dict[str, Rhythm] = {}
        """Campaign -> what is done for it now and then; a runner that begins anew misses nothing."""
        self._site: Site | None = None

    async def run(self) -> None:
        """Beat until cancelled; raises `LaneLost` and ReplyError."""
        while True:
            soon = await self.beat()
            await asyncio.sleep(BUSY_S if soon else IDLE_S)

    async def beat(self, at: int = 0) -> bool:
        """Advance all campaigns by one beat, where this worker holds the lease; tells whether there is more to do soon.

        `at`: Redis's time where a test turns the clock.
        """
        held = await self.lease.mine()
        pairs, time = await replies(self._lane, [("HGETALL", keys.CAMPAIGNS_ACTIVE), ("TIME",)])
        counts = Counter(state.decode() for state in pairs[1::2])
        for state in STATES:
            metrics.CAMPAIGNS.labels(state).set(counts[state])
        if not held:
            self._going.clear()
            return False
        ids = [one.decode() for one in pairs[::2]]
        self._going = {one: going for one, going in self._going.items() if one in ids}
        return await self._advance_all(ids, at or ms_of(time)) if ids else False

    async def _advance_all(self, ids: list[str], at: int) -> bool:
        if self._site is None:
            key = await files_links.load_key(self._lane)
            self._site = Site(self._lane, self._partitions, self._holder, self._settings, key)
        soon = False
        for one, ended in await standing(self._lane, places.WORK, ids):
            with alone(log, "campaign failed to advance; the others go on", campaign=one.campaign.campaign_id):
                await self._advance(self._site, one, ended, at)
            soon = soon or bool(one.places["active"]) or one.state in ("running", "cancelled")
        return soon

    async def _advance(self, site: Site, one: CampaignNow, ended: list[Any], at: int) -> None:
        campaign = one.campaign
        going = self._going.setdefault(campaign.campaign_id, Rhythm())
        if ended:
            pairs = zip(ended[::2], ended[1::2], strict=True)
            results = [(name.decode(), unpack(packed, UpdateResult)) for name, packed in pairs]
            await places.take_in(self._lane, campaign, results, at)
            # The counts are others now: what follows from them is decided with the next beat.
            return
        if not any(one.places.values()):
            await places.finish(self._lane, one, at)
            return
        if one.state == "cancelled":
            await places.of(self._lane, campaign).end_waiting("cancelled", at)
            if one.places["active"] and going.is_time("take back", self._clock(), TAKE_BACK_S):
                await places.take_back(site, campaign)
        elif at >= campaign.expires_at:
            await places.of(self._lane, campaign).end_waiting("expired", at)
        elif one.state == "running":
            await self._go_on(site, one, going, at)
        if one.places["active"] and going.is_time("heal", self._clock(), HEAL_S):
            await healing.look(site, campaign, at)
        await self._tell(one, going, at)

    async def _go_on(self, site: Site, one: CampaignNow, going: Rhythm, at: int) -> None:
        if one.places["offline"] and going.is_time("take up", self._clock(), TAKE_UP_S):
            await places.of(self._lane, one.campaign).take_up(at)
        verdict = decide(one, at)
        number = one.campaign.campaign_id
        if verdict.stop:
            await firmware.change(self._lane, one, "stopped", at=at, by=ITSELF, reason=verdict.stop)
            log.warning("campaign stopped", campaign=number, reason=verdict.stop)
        elif verdict.canaries_done:
            await self._lane.one("HSET", keys.campaign(number), "canary_at", at)
        elif verdict.begin > 0:
            await places.begin(site, one, verdict.begin, verdict.fresh, at)

    async def _tell(self, one: CampaignNow, going: Rhythm, at: int) -> None:
        """Tell that a campaign went on, now and then."""
        if going.is_news(one.ended, self._clock(), TELL_S):
            await self._lane.one("XADD", station_keys.EVENTS, "*", "v", pack([firmware.changed(one, at=at)]))
