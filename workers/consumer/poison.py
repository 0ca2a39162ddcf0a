"""Entries that failed before are processed alone, counted durably before each try, and at last quarantined.

A frame that kills its worker would otherwise kill every worker that claims it. Waiting for Redis is no try.
"""

from __future__ import annotations

from typing import Final

import hiredis

from shared.bus import keys
from shared.bus.lane import Lane, LaneLost
from shared.envelopes import encode
from shared.logs import get_logger
from shared.policy import Policy
from workers.dispatch import Entry, quarantine
from workers.store.commit import Outcome, Result
from workers.store.draft import Draft
from workers.store.view import StationView

from .batch import Batch, Done

log = get_logger("worker.consumer")
REASON: Final = "poison"
SPOILT_KEPT: Final = 1000


class Lone:
    """Tries entries alone; after `limit` failed tries an entry's station is answered and the entry quarantined."""

    def __init__(self, lane: Lane, partition: int, batch: Batch, burial: Batch, limit: int) -> None:
        self._lane = lane
        self._partition = partition
        self._batch = batch
        self._burial = burial
        self._limit = limit

    async def run(self, entry: Entry) -> Done | None:
        """Return what the entry came to, None where it waits; raises `LaneLost`, after which the try does not count."""
        counter, entry_id = keys.attempts(self._partition), entry.origin.entry_id
        while True:
            attempts = int(await self._lane.one("HINCRBY", counter, entry_id, 1))
            if attempts > self._limit:
                log.error("poison entry quarantined", attempts=attempts - 1, **entry.names)
                return await self._bury(entry)
            try:
                found = await self._batch.run([entry])
            except (LaneLost, hiredis.ReplyError):
                await self._lane.one("HINCRBY", counter, entry_id, -1)
                raise
            except Exception:
                log.exception("entry failed alone", attempt=attempts, **entry.names)
            else:
                return found[0] if found else None

    async def _bury(self, entry: Entry) -> Done:
        try:
            (done,) = await self._burial.run([entry])
        except (LaneLost, hiredis.ReplyError):
            raise
        except Exception:
            # Even the station's own record can't be read: keep the entry whole, and let the partition go on.
            log.exception("entry can't be quarantined; it is kept aside", **entry.names)
            await self._lane.one("XADD", keys.SPOILT, "MAXLEN", "~", SPOILT_KEPT, "*", "e", encode(entry.uplink))
            draft = Draft(StationView(entry.station, None, {}), entry.origin, entry.origin.received_at, Policy())
            return Done(entry, draft, Outcome(Result.STALE, None))
        return done


def bury(entry: Entry, view: StationView, now: int, policy: Policy) -> Draft:
    """Decide that an entry goes to quarantine, its station answered as its action demands."""
    return quarantine(entry, view, now, policy, REASON, "it failed in every try")
