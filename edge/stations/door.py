"""Who may come in: the station's own policy, read in one round trip and checked before the upgrade.

An unknown station and wrong credentials get the same answer after the same time: every refusal of a login leaves at the
next multiple of `REFUSAL_S` after the request came, whatever was checked meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import hiredis
import msgspec

from edge.stations.tls import Shown
from shared.bus import keys
from shared.bus.lane import Lane
from shared.credentials import Basic, is_slow, mark, verify
from shared.records.credentials import EVERY_GROUP
from shared.records.stations import Door
from shared.settings import Settings

REFUSAL_S: Final = 0.25
SLOW_CHECKS: Final = 1
"""Chosen passwords checked at once (33 ms of CPU each)."""
MAX_SLOW_WAITING: Final = 200
"""Chosen passwords waiting to be checked; more are told to come back."""


class Refused(Exception):  # an outcome, not an error
    """The station may not come in; `result` is the metric's word for why."""

    def __init__(self, result: str, status: int, text: str, retry_s: int | None = None) -> None:
        super().__init__(text)
        self.result = result
        self.status = status
        self.why = text
        """For the log."""
        self.retry_s = retry_s
        """Whole seconds to wait, where that is known."""


class Busy(Refused):
    """Too many passwords are being checked."""

    def __init__(self) -> None:
        super().__init__("rate_limited", 503, "too many logins at once")


class Welcome(msgspec.Struct, frozen=True):
    """What the session should know of its station."""

    profile: int
    """Security profile of this connection (white paper, table 2): 0 none, 1 Basic, 2 Basic over TLS, 3 certificate."""
    interval_s: int
    pings: bool
    subprotocol: str
    proof: str = ""
    """`shared.credentials.mark` of the stored key that opened; empty where none did."""
    shown: Shown | None = None
    """The certificate that opened."""


class _Found(msgspec.Struct, frozen=True):
    """What is stored of a station that dials in."""

    door: Door
    known: bool
    minimum: int
    """The security profile below which it is refused: its own, its group's, or everybody's, whichever is highest."""
    revoked: bool
    """The certificate that it showed is."""


class Doorkeeper:
    """Checks stations at the door."""

    def __init__(self, lane: Lane, settings: Settings, pepper: bytes) -> None:
        self._lane = lane
        self._accept_unknown = settings.unknown_stations == "accept"
        self._pepper = pepper
        self._threads = ThreadPoolExecutor(SLOW_CHECKS, thread_name_prefix="scrypt")
        self._slow_waiting = 0
        self._operator_name = settings.operator_name
        self.revoked: Callable[[str], bool] = lambda _id: False
        """Whether a certificate is on a list that came as a file."""

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def admit(
        self, station_id: str, basic: Basic | None, *, tls: bool, guessed: bool, shown: Shown | None = None
    ) -> Welcome:
        """Return what is known of a station that may come in; raises `Refused`, LaneLost and ReplyError.

        `basic` is the login and `shown` the certificate that it showed, `tls` whether its connection is encrypted. With
        `guessed`, passwords that a person chose are not checked: too many failed in this station's name.
        """
        found = await self._read(station_id, shown)
        door = found.door
        if not found.known and not self._accept_unknown:
            # As long as for a known one: see above.
            verify(basic.password if basic else b"", "", self._pepper)
            raise _unauthorized()
        proof = ""
        if shown is not None:
            self._check_certificate(station_id, found, shown)
            profile = 3
        else:
            proof = await self._prove(station_id, door, basic, guessed=guessed)
            profile = (2 if tls else 1) if proof else 0
        if door.blocked == "1":
            raise Refused("auth_failed", 403, "the station is blocked")
        if profile < found.minimum:
            if not profile:
                # It proved nothing, so it learns nothing.
                raise _unauthorized("it proved nothing, and must have a higher security profile")
            raise Refused("profile_downgrade", 403, "the station must connect with a higher security profile")
        pings = door.ping != "0" and door.quiet != "1"
        return Welcome(profile, int(door.interval or 0), pings, door.subprotocol, proof, shown)

    async def _read(self, station_id: str, shown: Shown | None) -> _Found:
        commands: list[tuple[str, ...]] = [
            ("HGETALL", keys.door(station_id)),
            ("ZSCORE", keys.STATIONS, station_id),
            ("HGETALL", keys.SECURITY_POLICIES),
        ]
        if shown is not None:
            commands.append(("HGET", keys.REVOKED, shown.id))
        replies = await self._lane.execute(commands)
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                raise reply
        fields, listed, policies = replies[:3]
        door = _door(fields)
        minimum = max(int(door.minimum_profile or 0), _least(policies, door.group))
        revoked = shown is not None and (replies[3] is not None or self.revoked(shown.id))
        return _Found(door, bool(fields) or listed is not None, minimum, revoked)

    def _check_certificate(self, station_id: str, found: _Found, shown: Shown) -> None:
        """Raise `Refused` unless the certificate is this station's and the operator's (A00.FR.404, 405), and counts.

        Whoever shows one is held to it: a password beside it does not help.
        """
        name = found.door.certificate_name or station_id
        if found.revoked:
            raise _wrong_certificate("it is revoked")
        if shown.names != (name,):
            raise _wrong_certificate("it is another station's")
        if self._operator_name and self._operator_name not in shown.organisations:
            raise _wrong_certificate("it is another operator's")

    async def _prove(self, station_id: str, door: Door, basic: Basic | None, *, guessed: bool) -> str:
        """Return the mark of the key that the station has: its own, or the one it is changing to; empty: it shows none.

        Raises `Refused` where one is set and it does not have it. Where none is set it need not have its first one yet.
        """
        if basic is None or basic.user != station_id.encode():
            if not door.key:
                return ""
            raise _unauthorized()
        stored = [each for each in (door.key, door.pending_key) if each]
        for each in stored:
            if not is_slow(each) and verify(basic.password, each, self._pepper):
                return mark(each)
        for each in stored:
            if is_slow(each) and not guessed and await self._verify_slowly(basic.password, each):
                return mark(each)
        if not door.key:
            return ""
        raise _unauthorized()

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


def _least(policies: list[bytes], group: str) -> int:
    """Return the security profile that everybody of a group must have, by the fleet's policies."""
    wanted = (EVERY_GROUP.encode(), group.casefold().encode())
    found = dict(zip(policies[::2], policies[1::2], strict=True))
    return max(int(found.get(name, 0)) for name in wanted)


def _unauthorized(why: str = "") -> Refused:
    refused = Refused("auth_failed", 401, "unknown station or wrong credentials")
    refused.why = why or refused.why
    return refused


def _wrong_certificate(why: str) -> Refused:
    """Refuse as a wrong password is; the log says why."""
    refused = Refused("bad_certificate", 401, "unknown station or wrong credentials")
    refused.why = f"its certificate does not count: {why}"
    return refused
