"""Who may come in: the station's own policy, read in one round trip and checked before the upgrade.

An unknown station and wrong credentials get the same answer after the same time: every refusal of a login leaves at the
next multiple of `REFUSAL_S` after the request came, whatever was checked meanwhile.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import hiredis
import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.credentials import Basic, is_slow, verify
from shared.records.stations import Door
from shared.settings import Settings

REFUSAL_S: Final = 0.25
SLOW_CHECKS: Final = 1
"""Chosen passwords checked at once (33 ms of CPU each)."""
MAX_SLOW_WAITING: Final = 200
"""Chosen passwords waiting to be checked; more are told to come back."""


class Refused(Exception):  # an outcome, not an error
    """The station may not come in; `result` is the metric's word for why."""

    def __init__(self, result: str, status: int, text: str) -> None:
        super().__init__(text)
        self.result = result
        self.status = status


class Busy(Refused):
    """Too many passwords are being checked."""

    def __init__(self) -> None:
        super().__init__("rate_limited", 503, "too many logins at once")


class Welcome(msgspec.Struct, frozen=True):
    """What the session should know of its station."""

    profile: int
    """Security profile of this connection (white paper, table 1): 0 none, 1 Basic, 2 Basic over TLS."""
    interval_s: int
    pings: bool
    subprotocol: str


class Doorkeeper:
    """Checks stations at the door."""

    def __init__(self, lane: Lane, settings: Settings, pepper: bytes) -> None:
        self._lane = lane
        self._accept_unknown = settings.unknown_stations == "accept"
        self._pepper = pepper
        self._threads = ThreadPoolExecutor(SLOW_CHECKS, thread_name_prefix="scrypt")
        self._slow_waiting = 0

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def admit(self, station_id: str, basic: Basic | None, *, tls: bool, guessed: bool) -> Welcome:
        """Return what is known of a station that may come in; raises `Refused`, LaneLost and ReplyError.

        `basic` is what it showed, `tls` whether its connection is encrypted. With `guessed`, passwords that a person
        chose are not checked: too many failed in this station's name.
        """
        door, known = await self._read(station_id)
        if not known and not self._accept_unknown:
            # As long as for a known one: see above.
            verify(basic.password if basic else b"", "", self._pepper)
            raise _unauthorized()
        if not await self._proves(station_id, door, basic, guessed=guessed):
            raise _unauthorized()
        profile = (2 if tls else 1) if door.key and basic is not None else 0
        if door.blocked == "1":
            raise Refused("auth_failed", 403, "the station is blocked")
        if profile < int(door.minimum_profile or 0):
            raise Refused("profile_downgrade", 403, "the station must connect with a higher security profile")
        return Welcome(profile, int(door.interval or 0), door.ping != "0" and door.quiet != "1", door.subprotocol)

    async def _read(self, station_id: str) -> tuple[Door, bool]:
        fields, listed = await self._lane.execute(
            [("HGETALL", keys.door(station_id)), ("ZSCORE", keys.STATIONS, station_id)]
        )
        for reply in (fields, listed):
            if isinstance(reply, hiredis.ReplyError):
                raise reply
        return _door(fields), bool(fields) or listed is not None

    async def _proves(self, station_id: str, door: Door, basic: Basic | None, *, guessed: bool) -> bool:
        """Tell whether the station is who it says, by its key or the one it is changing to."""
        if not door.key:
            return True
        if basic is None or basic.user != station_id.encode():
            return False
        stored = [each for each in (door.key, door.pending_key) if each]
        if any(verify(basic.password, each, self._pepper) for each in stored if not is_slow(each)):
            return True
        for each in stored:
            if is_slow(each) and not guessed and await self._verify_slowly(basic.password, each):
                return True
        return False

    async def _verify_slowly(self, password: bytes, stored: str) -> bool:
        if self._slow_waiting >= MAX_SLOW_WAITING:
            raise Busy
        self._slow_waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, verify, password, stored, self._pepper)
        finally:
            self._slow_waiting -= 1


def _door(fields: list[bytes]) -> Door:
    """Read the reply to HGETALL; fields that this version does not know are passed over."""
    texts = [part.decode(errors="replace") for part in fields]
    return msgspec.convert(dict(zip(texts[::2], texts[1::2], strict=True)), Door)


def _unauthorized() -> Refused:
    return Refused("auth_failed", 401, "unknown station or wrong credentials")
