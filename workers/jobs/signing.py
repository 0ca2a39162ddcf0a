"""Signs what stations ask for: one worker at a time, with the built-in authority or by asking another over HTTP.

A request waits in `keys.CERTIFICATE_REQUESTS` until the station's own commit has taken in what became of it, so a
worker that dies in between costs a second signature, of which the first to come counts. An authority that can't be
reached is asked again, ever more seldom; one that says no has said it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aiohttp
import msgspec

from shared.bus import keys
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.bus.lease import Lease
from shared.certificates.errors import CertificateError
from shared.logs import get_logger
from shared.records.certificates import SigningRequest
from shared.records.packing import unpack
from shared.records.requests import IssueCertificate
from shared.settings import Settings
from workers.uplinks import append, asking

BEAT_S: Final = 1.0
HOLD_MS: Final = 5000
"""Another worker signs so long after the last beat of one that died."""
AT_ONCE: Final = 20
WAIT_S: Final = (5.0, 300.0)
"""First and longest pause after an authority could not be reached."""
SETTLE_S: Final = 30.0
"""What was handed to the station's commit is not signed again meanwhile."""
MAX_ANSWER: Final = 64 * 1024

log = get_logger("worker.signing")


class Unreachable(Exception):  # an outcome, not an error
    """The authority did not answer, or not with yes or no."""


class _Answer(msgspec.Struct):
    """What an external authority says (docs/security.md)."""

    chain: str = ""
    detail: str = ""


class Signer:
    """One worker's; `holder` is the worker's unique name."""

    def __init__(self, lane: Lane, settings: Settings, partitions: int, holder: str) -> None:
        self._lane = lane
        self._settings = settings
        self._partitions = partitions
        self._lease = Lease(lane, keys.AUTHORITY_HOLDER, holder, HOLD_MS)
        self._authority: Any = None
        self._not_before: dict[str, float] = {}
        self._pauses: dict[str, float] = {}
        self._clock = asyncio.get_running_loop().time

    async def run(self) -> None:
        """Beat until cancelled, where there is an authority; raises `LaneLost` and ReplyError."""
        while self._settings.certificate_authority != "off":
            await self.beat()
            await asyncio.sleep(BEAT_S)

    async def beat(self) -> int:
        """Sign what waits, where this worker holds the lease; returns how many requests were answered."""
        if not await self._lease.mine():
            return 0
        now = await now_ms(self._lane)
        if self._settings.certificate_authority == "builtin" and self._authority is None:
            self._authority = await self._open(now)
        found = await self._lane.one("HGETALL", keys.CERTIFICATE_REQUESTS)
        waiting = {member.decode(): packed for member, packed in zip(found[::2], found[1::2], strict=True)}
        self._not_before = {one: at for one, at in self._not_before.items() if one in waiting}
        self._pauses = {one: pause for one, pause in self._pauses.items() if one in waiting}
        due = [one for one in waiting if self._not_before.get(one, 0.0) <= self._clock()]
        done = await asyncio.gather(*(self._serve(one, waiting[one], now) for one in due[:AT_ONCE]))
        return sum(done)

    async def _open(self, now: int) -> Any:
        """Return the built-in authority; the first worker ever makes it."""
        from shared.certificates.authority import Authority, make

        settings = self._settings
        passphrase = settings.ca_passphrase.reveal()
        kept = await self._lane.one("HGET", keys.AUTHORITY, "key")
        if kept is None:
            root, key = await asyncio.to_thread(make, passphrase, settings.ca_key_type, settings.operator_name, now)
            # One field holds both, so that two workers can't mix theirs.
            if await self._lane.one("HSETNX", keys.AUTHORITY, "key", key + root):
                log.info("the authority was made", kind=settings.ca_key_type)
            kept = await self._lane.one("HGET", keys.AUTHORITY, "key")
        text = kept.decode()
        opened = await asyncio.to_thread(Authority.load, text, text, passphrase)
        await self._lane.one("HSET", keys.AUTHORITY, "certificate", opened.pem)
        return opened

    async def _serve(self, member: str, packed: bytes, now: int) -> bool:
        """Have one request signed and put what came of it on the station's uplink."""
        request = unpack(packed, SigningRequest)
        try:
            answer = await self._sign(request, now)
        except Unreachable as error:
            pause = min(self._pauses.get(member, WAIT_S[0] / 2) * 2, WAIT_S[1])
            self._pauses[member], self._not_before[member] = pause, self._clock() + pause
            log.warning("the authority is not reached", station=request.station_id, reason=str(error), again_s=pause)
            return False
        self._not_before[member] = self._clock() + SETTLE_S
        await self._lane.one(*append(asking(request.station_id, answer), self._partitions))
        return True

    async def _sign(self, request: SigningRequest, now: int) -> IssueCertificate:
        """Return what the station's commit is to be told; raises `Unreachable`."""
        name = f"signing:{request.request_id}"
        try:
            made = await (self._ask(request, now) if self._authority is None else self._sign_here(request, now))
        except CertificateError as error:
            return IssueCertificate(request_id=name, signing_id=request.request_id, problem=str(error))
        return IssueCertificate(
            request_id=name,
            signing_id=request.request_id,
            chain=made.chain,
            certificate_id=made.id,
            subject=made.subject,
            not_after=made.not_after,
        )

    async def _sign_here(self, request: SigningRequest, now: int) -> Any:
        days = self._settings.certificate_days
        return await asyncio.to_thread(
            self._authority.sign, request.csr, request.common_name, request.organisation, days, now
        )

    async def _ask(self, request: SigningRequest, now: int) -> Any:
        from shared.certificates.authority import check_chain

        settings = self._settings
        body = {
            "request_id": request.request_id,
            "station_id": request.station_id,
            "csr": request.csr,
            "subject": {"common_name": request.common_name, "organisation": request.organisation},
            "days": settings.certificate_days,
        }
        token = settings.ca_token.reveal()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        limit = aiohttp.ClientTimeout(total=settings.ca_timeout_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as http,
                http.post(settings.ca_url, json=body, headers=headers, allow_redirects=False) as response,
            ):
                text = await _whole(response)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(type(error).__name__) from None
        try:
            answer = msgspec.json.decode(text, type=_Answer)
        except msgspec.MsgspecError:
            raise Unreachable(f"{response.status}, and no JSON that is understood") from None
        if response.status in (400, 403, 409, 422):
            raise CertificateError(f"the authority refused: {answer.detail[:300] or response.status}")
        if response.status != 200:
            raise Unreachable(f"it answered {response.status}")
        return check_chain(answer.chain, request.csr, request.common_name, now)


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, which may come in pieces; raises `Unreachable` where it is too long."""
    found = bytearray()
    async for piece in response.content.iter_any():
        found += piece
        if len(found) > MAX_ANSWER:
            raise Unreachable(f"it answered more than {MAX_ANSWER} bytes")
    return bytes(found)
