"""Authorize: how soon a station hears whether a tag may charge, with many tags entered, one station and many."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec

from ampstream.bench.caller import Call, Caller, Script, Tally, Wrong
from ampstream.bench.load import Measured, measure
from ampstream.bench.targets import Target, at_most
from shared.ocpp.v16.messages import AuthorizeResponse

if TYPE_CHECKING:
    from ampstream.bench.scenarios import Bench
    from ampstream.bench.system import System

TAGS: Final = 10_000
MAX_P99_MS: Final = 500.0
"""The objective of every answer to a station."""
MANY: Final = 50
CHUNK: Final = 1000
_read = msgspec.json.Decoder(AuthorizeResponse).decode


class Authorize(msgspec.Struct, frozen=True, kw_only=True):
    """Authorize with many tags: one station, some at a moderate pace, all at once."""

    tags: int
    one: Measured
    some: Measured
    many: Measured

    @property
    def loads(self) -> dict[str, Measured]:
        """Rows of the table of loads."""
        return {
            "Authorize, one station": self.one,
            f"Authorize, {self.some.stations} stations": self.some,
            f"Authorize, {self.many.stations} stations": self.many,
        }

    def lines(self) -> list[str]:
        """Say how many tags were entered."""
        return [f"authorize: {self.tags} tags entered, of which one in twenty is blocked"]

    def targets(self) -> list[Target]:
        """Return what the figures have to reach."""
        name = f"answer to an Authorize, p99 with {self.many.stations} stations in a closed loop"
        return [at_most(name, self.many.p99_ms, "ms", MAX_P99_MS)]


async def run(bench: Bench) -> None:
    """Enter tags, then ask for them over and over."""
    size, tally = bench.size, Tally()
    tags = TAGS if not size.one_system else TAGS // 20
    async with bench.system() as running:
        bench.tell(f"authorize: {tags} tags, {size.seconds / 4:g} s each")
        await enter(running.system, [f"BA{n:05d},{'blocked' if n % 20 == 0 else 'accepted'}" for n in range(tags)])
        callers = [Caller(f"AUTH-{n:05d}", tally) for n in range(size.stations)]
        await bench.connect(running.system, callers, tally)
        found = [
            await measure(
                callers[:count], _script(tags, tally), tally, running.system.pids,
                seconds=size.seconds / 4, warm_up_s=size.warm_up_s,
            )
            for count in (1, min(MANY, size.stations), size.stations)
        ]  # fmt: skip
        await bench.hang_up(callers)
    bench.outcome.authorize = Authorize(tags=tags, one=found[0], some=found[1], many=found[2])
    bench.problems(tally.problems, tally.problem_count)


async def enter(system: System, rows: list[str], columns: str = "id_tag,status") -> None:
    """Import tags, some at a time."""
    headers = {"Authorization": f"Bearer {system.token}", "Content-Type": "text/csv"}
    async with aiohttp.ClientSession(base_url=system.api_url, headers=headers) as http:
        for begin in range(0, len(rows), CHUNK):
            body = "\n".join([columns, *rows[begin : begin + CHUNK]]) + "\n"
            async with http.post("/api/v1/tags/import", data=body.encode()) as answer:
                answer.raise_for_status()


def _script(tags: int, tally: Tally) -> Callable[[Caller], Script]:
    """Ask for tags at random; every answer must be the one that was entered."""

    def script(caller: Caller) -> Script:
        draw = random.Random(caller.station_id)
        while tally.running:
            number = draw.randrange(tags)
            answer = _read((yield Call("Authorize", b'{"idTag":"BA%05d"}' % number)))
            wanted = "Accepted" if number % 20 else "Blocked"
            if answer.id_tag_info.status != wanted:
                raise Wrong(f"a tag that is {wanted} was answered {answer.id_tag_info.status}")

    return script
