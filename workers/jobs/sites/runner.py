"""Allocates for every site: each has one worker at a time, which holds its lease and loses it when it stops asking.

Which worker takes which site follows from their names alone (the highest digest of both wins), so that sites spread
over the workers without anybody handing them out. Where the one whose turn it is does not come, another takes it.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import hiredis
import msgspec

from shared import envelopes, metrics
from shared.bus import keys
from shared.bus.clock import ms_of
from shared.bus.lane import Lane
from shared.bus.lease import Lease
from shared.bus.scripts import END_ROUND, REMOVE_SITE
from shared.logs import get_logger
from shared.records.packing import pack, unpack
from shared.records.queries.reading import replies
from shared.records.site_history import FIELD, MINUTE_MS
from shared.records.sites import RoundNote, Site, SiteState
from shared.settings import Settings
from workers.jobs.alone import alone
from workers.uplinks import asking, uplink_of

from . import limiting
from .deciding import Decision, Moment, decide
from .pricing import is_due
from .reading import Held, Reader
from .showing import minute_of, note

log = get_logger(__name__)

HOLD_MS: Final = 5000
"""Another worker takes over so long after the last beat of one that died."""
BEAT_S: Final = 0.5
IDLE_S: Final = 2.0
"""Where there are no sites."""
PATIENCE: Final = 4
"""Beats that a site without a lease is left to the worker whose turn it is."""
LARGE: Final = 100
"""Stations: a site with more is decided in a thread, so that frames go on meanwhile."""
OVERDUE: Final = 4
"""Rounds that a site has missed when it counts as overdue."""


class Runner:
    """One worker's runner; `holder` is the worker's unique name."""

    def __init__(
        self, lane: Lane, settings: Settings, partitions: int, holder: str, clock: Callable[[], float] | None = None
    ) -> None:
        self._lane = lane
        self._holder = holder
        self._partitions = partitions
        self._round_ms = round(settings.site_round_s * 1000)
        self._keep_ms = settings.site_history_s * 1000
        self._node_ttl_ms = round(settings.node_ttl_s * 1000)
        self._clock = clock or asyncio.get_running_loop().time
        self._reader = Reader(lane, self._clock)
        self._held: set[str] = set()
        self._free: dict[str, int] = {}
        self._minutes: dict[str, int] = {}
        self._first_seen: dict[str, int] = {}

    async def run(self) -> None:
        """Beat until cancelled; raises `LaneLost` and ReplyError."""
        while True:
            await self.beat()
            await asyncio.sleep(BEAT_S if self._first_seen else IDLE_S)

    async def resign(self) -> None:
        """Let other workers go on at once; raises `LaneLost`."""
        for name in sorted(self._held):
            await self._lease(name).resign()

    async def beat(self) -> None:
        """Take and keep leases, and do the rounds that are due."""
        names, workers, rounds, time = await replies(
            self._lane,
            [
                ("ZRANGE", keys.SITES, 0, -1),
                ("ZRANGE", keys.WORKERS, 0, -1, "WITHSCORES"),
                ("HGETALL", keys.SITE_ROUNDS),
                ("TIME",),
            ],
        )
        now = ms_of(time)
        sites = [name.decode() for name in names]
        notes = {name.decode(): unpack(data, RoundNote) for name, data in zip(rounds[::2], rounds[1::2], strict=True)}
        self._show(sites, notes, now)
        if not sites:
            self._held.clear()
            return
        live = {
            name.decode()
            for name, at in zip(workers[::2], workers[1::2], strict=True)
            if now - int(float(at)) < self._node_ttl_ms
        }
        await self._leases(sites, live | {self._holder})
        for name in sorted(self._held):
            last = notes.get(name)
            if last is None or now - last.at >= self._round_ms:
                await self._round_safely(name)

    # ── leases ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _leases(self, sites: list[str], live: set[str]) -> None:
        holders = await replies(self._lane, [("GET", keys.site_lease(name)) for name in sites])
        wanted: list[str] = []
        for name, holder in zip(sites, holders, strict=True):
            mine = turn_of(name, live) == self._holder
            waited = self._free.pop(name, 0)
            if holder is None and not mine and waited < PATIENCE:
                self._free[name] = waited + 1
            elif holder is None or (holder == self._holder.encode() and mine):
                wanted.append(name)
            elif holder == self._holder.encode():
                await self._lease(name).resign()
        self._held = set(wanted)  # Whoever is told to leave meanwhile gives up all that may be held.
        taken = await replies(self._lane, [self._lease(name).taking for name in wanted])
        self._held = {name for name, held in zip(wanted, taken, strict=True) if held}

    def _lease(self, name: str) -> Lease:
        return Lease(self._lane, keys.site_lease(name), self._holder, HOLD_MS)

    # ── rounds ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _round_safely(self, name: str) -> None:
        begun = self._clock()
        result = "failed"
        with alone(log, "a site's round failed; the others go on", site=name):
            result = await self.round(name)
        metrics.SITE_ROUNDS.labels(result).inc()
        metrics.SITE_ROUND_SECONDS.labels().observe(self._clock() - begun)

    async def round(self, name: str) -> str:
        """Do one round of a site; returns `ok`, or `lost` where another worker or another document came first."""
        held = await self._reader.site(name)
        if held is None:
            await self._lane.one("ZREM", keys.SITES, name)
            return "lost"
        site, run = held.site, held.run
        members = [one.station_id for one in site.stations]
        limits, seen = await asyncio.gather(
            limiting.read(self._lane, site, held.now), self._reader.stations([*members, *run.stations, *run.leaving])
        )
        moment = Moment(
            now=held.now, seen=seen, loads=held.loads, temporary=limits.temporary, prices=limits.prices,
            holder=self._holder,
        )  # fmt: skip
        heavy = len(seen) > LARGE or is_due(site, run, limits.prices, held.now)
        found = await asyncio.to_thread(decide, site, run, moment) if heavy else decide(site, run, moment)
        if site.deleted_at and not found.run.stations and not found.run.leaving:
            return await self._forget(held)
        return await self._end(held, found)

    async def _end(self, held: Held, found: Decision) -> str:
        name = held.site.name
        uplinks = sorted({self._uplink(station) for station, _ in found.asks})
        arguments: list[Any] = [self._holder, name, held.packed, msgspec.msgpack.encode(found.run), pack(found.state)]
        arguments.append(pack(note(held.site, found.state)))
        for station, request in found.asks:
            arguments += (6 + uplinks.index(self._uplink(station)), envelopes.encode(asking(station, request)))
        touched = [keys.site_lease(name), keys.site(name), keys.site_run(name), keys.site_state(name)]
        touched += [keys.SITE_ROUNDS, *uplinks]
        done = int(await self._lane.one(*END_ROUND.command(touched, arguments)))
        if done != 1:
            return "lost"
        for change, count in found.changes.items():
            metrics.SITE_COMMANDS.labels(change).inc(count)
        await self._keep(held.site, found.state)
        return "ok"

    async def _forget(self, held: Held) -> str:
        name = held.site.name
        touched = [keys.site_lease(name), keys.site(name), keys.SITES, keys.SITE_ROUNDS]
        touched += [keys.site_run(name), keys.site_state(name), keys.site_loads(name), keys.site_history(name)]
        done = await self._lane.one(*REMOVE_SITE.command(touched, [self._holder, name, held.packed]))
        return "ok" if done else "lost"

    async def _keep(self, site: Site, state: SiteState) -> None:
        """Add a minute to the history, once: its id is the minute."""
        name = site.name
        if self._minutes.get(name) == state.at // MINUTE_MS * MINUTE_MS:
            return
        minute = minute_of(site, state)
        before = minute.at - self._keep_ms // MINUTE_MS * MINUTE_MS
        added = ("XADD", keys.site_history(name), "MINID", "~", max(before, 0), f"{minute.at}-1", FIELD, pack(minute))
        try:
            await self._lane.one(*added)
        except hiredis.ReplyError as error:
            if "equal or smaller" not in str(error):  # Another worker has written it.
                raise
        self._minutes[name] = minute.at

    def _uplink(self, station_id: str) -> str:
        return uplink_of(station_id, self._partitions)

    def _show(self, sites: Iterable[str], notes: dict[str, RoundNote], now: int) -> None:
        """Set the gauges; every worker shows the same figures."""
        every = list(sites)
        known = [notes[name] for name in every if name in notes]
        self._first_seen = {name: self._first_seen.get(name, now) for name in every}
        since = [max(notes[name].at if name in notes else 0, self._first_seen[name]) for name in every]
        metrics.SITES.labels().set(len(every))
        metrics.SITES_OVERDUE.labels().set(sum(now - at > OVERDUE * self._round_ms + HOLD_MS for at in since))
        metrics.SITES_OVER.labels().set(sum(one.over for one in known))
        whole = sum(one.limit_w for one in known)
        metrics.SITES_UTILISATION.labels().set(sum(one.base_w + one.drawn_w for one in known) / whole if whole else 0)
        for kind in ("limit", "base", "allocated", "drawn"):
            metrics.SITE_WATTS.labels(kind).set(sum(getattr(one, f"{kind}_w") for one in known))


def turn_of(site: str, workers: Iterable[str]) -> str:
    """Return the worker whose turn it is to allocate for a site; one that goes moves no site but its own."""
    return max(workers, key=lambda worker: (zlib.crc32(f"{site}|{worker}".encode()), worker))
