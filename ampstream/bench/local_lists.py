"""Local lists: 10,000 tags into the lists of 1,000 stations, and a change of some of them, as a job does it.

The stations answer as the standard asks, and remember of each tag whether it stands in their list: in the end every
list is compared with the tags, whatever the API says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec

from ampstream.bench.authorize import enter
from ampstream.bench.caller import Caller, Tally
from ampstream.bench.load import Measured, TooSlow
from ampstream.bench.targets import Target
from ampstream.bench.usage import Usage, usages
from shared.ocpp import frames

if TYPE_CHECKING:
    from ampstream.bench.scenarios import Bench
    from ampstream.bench.system import System

STATIONS: Final = 1000
TAGS: Final = 10_000
CHANGED: Final = 100
AT_ONCE: Final = 500
TIMEOUT_S: Final = 600.0
POLL_S: Final = 0.25
NAME: Final = "bench"
SETTINGS: Final = {"AMPSTREAM_CONFIGURATION_READ_S": "86400", "AMPSTREAM_LOCAL_LIST_SETTLE_S": "1"}
_KEYS: Final = {
    "SupportedFeatureProfiles": "Core,LocalAuthListManagement",
    "SendLocalListMaxLength": str(AT_ONCE),
    "LocalAuthListMaxLength": "50000",
}


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """All stations hold a version, since it was wanted."""

    seconds: float
    messages: int
    """SendLocalList."""
    cpu_s: dict[str, float]
    redis_mb: float
    """Memory of Redis's process afterwards."""


class LocalLists(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet's lists: filled, then changed."""

    stations: int
    tags: int
    changed: int
    filled: Stage
    amended: Stage

    loads: dict[str, Measured] = {}

    def lines(self) -> list[str]:
        """Say how long it took, and what it cost."""
        stages = ((f"{self.tags} tags", self.filled), (f"{self.changed} changed tags", self.amended))
        return [
            f"local lists: {what} held by {self.stations} stations after {stage.seconds:.1f} s, "
            f"{stage.messages} messages; Redis {stage.redis_mb:.0f} MB; CPU "
            + ", ".join(f"{name} {spent:.1f} s" for name, spent in stage.cpu_s.items())
            for what, stage in stages
        ]

    def targets(self) -> list[Target]:
        """Return none: the figures are told as they are."""
        return []


class _Info(msgspec.Struct):
    status: str


class _Entry(msgspec.Struct, rename="camel"):
    id_tag: str
    id_tag_info: _Info | None = None


class _Send(msgspec.Struct, rename="camel"):
    list_version: int
    update_type: str
    local_authorization_list: list[_Entry] = []


_send: Final = msgspec.json.Decoder(_Send).decode


class Listed(Caller):
    """A station with a local list: one bit a tag."""

    __slots__ = ("messages", "number", "present")

    def __init__(self, station_id: str, tally: Tally, tags: int) -> None:
        super().__init__(station_id, tally)
        self.present = bytearray(tags)
        self.number = 0
        self.messages = 0

    def reply_to(self, call: frames.Call) -> bytes:
        """Answer what the CSMS asks."""
        if call.action == "SendLocalList":
            return frames.encode_result(call.message_id, {"status": self._take(_send(call.payload))})
        if call.action == "GetLocalListVersion":
            return frames.encode_result(call.message_id, {"listVersion": self.number})
        if call.action == "GetConfiguration":
            told = [{"key": key, "readonly": True, "value": value} for key, value in _KEYS.items()]
            return frames.encode_result(call.message_id, {"configurationKey": told})
        if call.action == "ChangeConfiguration":
            return frames.encode_result(call.message_id, {"status": "NotSupported"})
        return super().reply_to(call)

    def _take(self, sent: _Send) -> str:
        full = sent.update_type == "Full"
        if len(sent.local_authorization_list) > AT_ONCE:
            return "Failed"
        if not full and sent.list_version <= self.number:
            return "VersionMismatch"
        if full:
            self.present = bytearray(len(self.present))
        for entry in sent.local_authorization_list:
            self.present[int(entry.id_tag[2:])] = entry.id_tag_info is not None
        self.number = sent.list_version
        self.messages += 1
        return "Accepted"


async def run(bench: Bench) -> None:
    """Fill the lists of a fleet, change some tags, and compare every list with the tags."""
    small = bench.size.one_system
    stations, tags = (min(bench.size.stations, STATIONS), TAGS // 20) if small else (STATIONS, TAGS)
    bench.tell(f"local lists: {tags} tags x {stations} stations")
    tally = Tally()
    async with bench.fresh(settings=SETTINGS) as running:
        callers = [Listed(f"LIST-{n:05d}", tally, tags) for n in range(stations)]
        await bench.connect(running.system, callers, tally)
        bench.outcome.local_lists = await _measure(running.system, callers, tags)
        await bench.hang_up(callers)
    bench.problems(tally.problems, tally.problem_count)


async def _measure(system: System, callers: list[Listed], tags: int) -> LocalLists:
    headers = {"Authorization": f"Bearer {system.token}"}
    async with aiohttp.ClientSession(base_url=system.api_url, headers=headers) as http:
        await enter(system, [f"BL{n:05d},fleet" for n in range(tags)], "id_tag,parent")
        filling = _Watch(system, callers)
        body: dict[str, Any] = {"mode": "hybrid", "list": {"groups": ["fleet"]}}
        async with http.put(f"/api/v1/authorization/policies/{NAME}", json=body) as answer:
            answer.raise_for_status()
        filled = await filling.until(lambda: _held(http, 1, len(callers)))
        _compare(callers, range(tags), tags)
        amending = _Watch(system, callers)
        changed = min(CHANGED, tags)
        await enter(system, [f"BL{n:05d},gone" for n in range(changed)], "id_tag,parent")
        amended = await amending.until(lambda: _held(http, 2, len(callers)))
        _compare(callers, range(changed, tags), tags)
    return LocalLists(stations=len(callers), tags=tags, changed=changed, filled=filled, amended=amended)


def _compare(callers: list[Listed], wanted: range, tags: int) -> None:
    expected = bytearray(tags)
    expected[wanted.start : wanted.stop] = b"\1" * len(wanted)
    for caller in callers:
        if caller.present != expected:
            caller.tally.problem(f"{caller.station_id}: its list has {sum(caller.present)} tags, not {len(wanted)}")


async def _held(http: aiohttp.ClientSession, version: int, stations: int) -> bool:
    async with http.get(f"/api/v1/authorization/policies/{NAME}") as answer:
        if answer.status != 200:
            return False
        found: dict[str, Any] = await answer.json()
    made = found["local_list"]
    return made is not None and made["version"] >= version and found["stations"]["in_line"] >= stations


class _Watch:
    """Time, CPU and messages since its making."""

    def __init__(self, system: System, callers: list[Listed]) -> None:
        self._pids, self._callers = system.pids, callers
        self._before: dict[str, Usage] = usages(self._pids)
        self._sent = sum(one.messages for one in callers)
        self._begun = time.perf_counter()

    async def until(self, reached: Callable[[], Awaitable[bool]]) -> Stage:
        """Return the stage at the moment when it is reached; raises `TooSlow`."""
        while not await reached():
            if time.perf_counter() - self._begun > TIMEOUT_S:
                raise TooSlow(f"local lists were not in step within {TIMEOUT_S:.0f} s")
            await asyncio.sleep(POLL_S)
        now = usages(self._pids)
        return Stage(
            seconds=round(time.perf_counter() - self._begun, 2),
            messages=sum(one.messages for one in self._callers) - self._sent,
            cpu_s={name: round(now[name].cpu_s - self._before[name].cpu_s, 2) for name in now},
            redis_mb=round(max(usage.rss_bytes for name, usage in now.items() if name in ("redis", "valkey")) / 1e6, 1),
        )
