"""Files whose time is over are deleted, content first; one edge at a time looks for them."""

from __future__ import annotations

import asyncio
from typing import Final

import hiredis

from edge.transfers.storage import Storage
from shared import metrics
from shared.bus import firmware_keys as keys
from shared.bus.clock import now_ms
from shared.bus.lane import Lane, LaneLost
from shared.bus.lease import Lease
from shared.logs import get_logger
from shared.records.queries import files

EVERY_S: Final = 20.0
TIDY_EVERY: Final = 180
"""Rounds between two looks for what was begun and given up."""
HOLD_MS: Final = 60_000
log = get_logger("transfers")


class Sweeper:
    """One edge's; `holder` is the edge's unique name."""

    def __init__(self, lane: Lane, storage: Storage, holder: str) -> None:
        self._lane = lane
        self._storage = storage
        self._lease = Lease(lane, keys.FILES_SWEEPER, holder, HOLD_MS)

    async def run(self) -> None:
        """Look every now and then until cancelled; a fault in one round is told, and the next one comes."""
        rounds = 0
        while True:
            try:
                if await self._lease.mine():
                    await self.sweep()
                    if rounds % TIDY_EVERY == 0:
                        await self._storage.tidy()
                    rounds += 1
            except (LaneLost, hiredis.ReplyError) as error:
                log.warning("files wait for Redis", error=str(error))
            except OSError as error:
                log.warning("files could not be deleted", error=str(error))
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> int:
        """Delete what is due; returns how many. A crash in between leaves a record that is found here again."""
        gone = 0
        while True:
            due = await files.expired(self._lane, await now_ms(self._lane))
            for file_id in due:
                await self._storage.delete(file_id)
                await files.forget(self._lane, file_id)
            gone += len(due)
            if len(due) < files.CHUNK:
                break
        if gone:
            metrics.FILES_EXPIRED.labels().inc(gone)
            log.info("files deleted", count=gone)
        return gone
