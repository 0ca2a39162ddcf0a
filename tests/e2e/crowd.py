"""Stations for jobs over many: each does one thing with what it is sent, and counts it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from ampstream.simulate.station import CsmsCall, Station, StationError
from tests.chaos.harness.checks import Violation
from tests.chaos.harness.system import System

ACTION: Final = "ClearCache"
BOOT: Final = {"chargePointVendor": "Crowd", "chargePointModel": "C1"}
SLOW_S: Final = 1.0

Manner = Callable[["Member", CsmsCall], Awaitable[None]]


async def accept(member: Member, call: CsmsCall) -> None:
    """Answer at once."""
    member.station.answer(call, {"status": "Accepted"})


async def reject(member: Member, call: CsmsCall) -> None:
    """Refuse."""
    member.station.answer(call, {"status": "Rejected"})


async def fail(member: Member, call: CsmsCall) -> None:
    """Answer with a CALLERROR."""
    member.station.answer_error(call, "NotSupported", "not here")


async def dawdle(member: Member, call: CsmsCall) -> None:
    """Answer after a while."""
    await asyncio.sleep(SLOW_S)
    await accept(member, call)


async def ignore(member: Member, call: CsmsCall) -> None:
    """Answer never."""


async def reboot(member: Member, call: CsmsCall) -> None:
    """Fall over at once, and come back."""
    member.station.abort()
    await member.station.closed_with()
    await member.arrive()


class Member:
    """One station; `executed` holds the message ids of the job's commands that it was sent."""

    actions = frozenset({ACTION})
    """What its manner answers; it does anything else without a word."""

    def __init__(self, system: System, name: str, manner: Manner) -> None:
        self.station = Station(system.station_url(sum(name.encode()) % len(system.edges)), name, timeout_s=20)
        self.name = name
        self.manner = manner
        self._serving: asyncio.Task[None] | None = None

    @property
    def executed(self) -> list[str]:
        """The ids of the job's commands in the order of their coming, over all connections."""
        found = [msgspec.json.decode(frame) for frame in self.station.received_frames]
        return [frame[1] for frame in found if frame[0] == 2 and frame[2] == ACTION]

    async def arrive(self) -> None:
        """Dial in, boot, and serve commands from now on."""
        await self.station.connect()
        await self.station.call("BootNotification", BOOT)
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())

    async def leave(self) -> None:
        """Close the socket."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
            self._serving = None
        await self.station.close()

    async def _serve(self) -> None:
        while True:
            call = await self.station.next_call(600)
            with contextlib.suppress(StationError):
                if call.action in self.actions:
                    await self.manner(self, call)
                else:
                    self.station.answer(call, {})


class Keyed(Member):
    """One with configuration keys `held`; those in `refused` it does not change."""

    actions = frozenset({"GetConfiguration", "ChangeConfiguration"})

    def __init__(self, system: System, name: str, held: dict[str, str], refused: Sequence[str] = ()) -> None:
        super().__init__(system, name, configure)
        self.held = held
        self.refused = refused


async def configure(member: Member, call: CsmsCall) -> None:
    """Tell or change configuration keys; one without any has no such thing."""
    assert isinstance(member, Keyed)
    if not member.held:
        await fail(member, call)
    elif call.action == "GetConfiguration":
        told = [{"key": key, "readonly": False, "value": value} for key, value in member.held.items()]
        member.station.answer(call, {"configurationKey": told})
    elif call.payload["key"] in member.refused:
        await reject(member, call)
    else:
        member.held[call.payload["key"]] = call.payload["value"]
        await accept(member, call)


def audit(members: Sequence[Member]) -> list[Violation]:
    """Audit I8 of a job: no station was commanded more than once."""
    return [
        Violation("I8", member.name, f"commanded {len(member.executed)} times by one job")
        for member in members
        if len(member.executed) > 1
    ]


@contextlib.asynccontextmanager
async def crowd(system: System, members: Sequence[Member]) -> AsyncIterator[dict[str, Any]]:
    """Let stations be there for the length of the block."""
    await asyncio.gather(*(member.arrive() for member in members))
    try:
        yield {member.name: member for member in members}
    finally:
        await asyncio.gather(*(member.leave() for member in members))
