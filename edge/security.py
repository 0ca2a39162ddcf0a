"""Security events that an edge notices itself: at the stations' door, and of operators' logins.

A flood of attempts must not become a flood of writes: alike ones (kind, station, address) are one event a minute,
written when the first comes and, where more followed, once more with their count when the minute is over. Nobody waits
for the write, and one that fails is dropped: the counters at the door have it too.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

import hiredis
import msgspec

from shared import metrics
from shared.bus.clock import now_ms
from shared.bus.lane import Lane, LaneLost
from shared.clock import Clock, SystemClock
from shared.logs import get_logger
from shared.records.queries import security_events
from shared.records.security_events import ALARMS, MAX_TEXT, SecurityRecord, severity_of

WINDOW_S: Final = 60.0
MAX_ALIKE: Final = 1000
"""Kinds of events kept apart in one minute; what comes beyond is counted in the metric alone."""
_log = get_logger("security")


class _Alike(msgspec.Struct):
    """Events of one kind, station and address within a minute."""

    until: float
    info: str
    count: int = 1


class SecurityLog:
    """Writes what `note` is told, in the background."""

    def __init__(self, lane: Lane, clock: Clock | None = None) -> None:
        self._lane = lane
        self._clock = clock or SystemClock()
        self._alike: dict[tuple[str, str, str], _Alike] = {}
        self._waiting: list[SecurityRecord] = []
        self._writing: asyncio.Task[None] | None = None
        self._windows: asyncio.Task[None] | None = None
        self._stopped = False

    def note(self, kind: str, *, station_id: str = "", address: str = "", info: str = "") -> None:
        """Take in an event of `records.security_events.OWN`; costs a dictionary's lookup, and never raises."""
        severity = severity_of(kind)
        metrics.SECURITY_EVENTS.labels(severity).inc()
        if kind in ALARMS:
            metrics.SECURITY_ALARMS.labels(kind).inc()
        key = (kind, station_id, address)
        known = self._alike.get(key)
        if known is not None:
            known.count += 1
            return
        if len(self._alike) >= MAX_ALIKE:
            return
        self._alike[key] = _Alike(self._clock.monotonic() + WINDOW_S, info[:MAX_TEXT])
        self._waiting.append(self._record(key, info, 1))
        if not self._stopped:
            self._write_soon()
            if self._windows is None or self._windows.done():
                self._windows = asyncio.create_task(self._turn_windows(), name="security events")

    def shaken(self, result: str, reason: str, address: str) -> None:
        """Count a TLS handshake; one that failed is a security event (white paper, A00.FR.323 and 408)."""
        metrics.EDGE_TLS_HANDSHAKES.labels(result).inc()
        if result not in ("ok", "gone"):
            _log.debug("TLS handshake failed", address=address, result=result, reason=reason)
            kind = "InvalidStationCertificate" if result == "certificate" else "TlsHandshakeFailed"
            self.note(kind, address=address, info=reason)

    async def stop(self) -> None:
        """Write what waits, and end."""
        self._stopped = True
        for task in (self._windows, self._writing):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._close_windows(float("inf"))
        await self._write()

    def _record(self, key: tuple[str, str, str], info: str, count: int) -> SecurityRecord:
        kind, station_id, address = key
        return SecurityRecord(
            id=f"edge:{secrets.token_hex(8)}",
            kind=kind,
            severity=severity_of(kind),
            source="ampstream",
            at=0,  # Redis's time, when it is written.
            station_id=station_id,
            address=address,
            info=info[:MAX_TEXT],
            count=count,
        )

    def _write_soon(self) -> None:
        if self._waiting and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write(), name="security events, written")

    async def _turn_windows(self) -> None:
        while self._alike:
            await self._clock.sleep(max(min(each.until for each in self._alike.values()) - self._clock.monotonic(), 1))
            self._close_windows(self._clock.monotonic())
            self._write_soon()

    def _close_windows(self, now: float) -> None:
        for key, alike in list(self._alike.items()):
            if alike.until <= now:
                del self._alike[key]
                if alike.count > 1:
                    self._waiting.append(self._record(key, alike.info, alike.count - 1))

    async def _write(self) -> None:
        while self._waiting:
            found, self._waiting = self._waiting, []
            try:
                at = await now_ms(self._lane)
                await security_events.write(self._lane, [msgspec.structs.replace(one, at=at) for one in found])
            except (LaneLost, hiredis.ReplyError) as error:
                _log.warning("security events could not be written", count=len(found), error=str(error))
