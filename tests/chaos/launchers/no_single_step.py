"""Takes the single step out of jobs: a station's request is appended first, and the station taken from its place later.

Between the two is the point `between_steps`: who takes over from a worker that died there begins the station again.
"""

from __future__ import annotations

from typing import Any

from shared.bus.lane import Lane
from shared.bus.scripts import START_STATIONS
from tests.chaos.harness.points import passing
from tests.chaos.launchers.scripts import cut


def apply() -> None:
    """Change the script, and do what it did before it is called."""
    cut(START_STATIONS, "    redis.call('XADD'", "ARGV[i + 2])\n")
    ordinary = Lane.one

    async def one(self: Lane, *command: Any) -> Any:
        if command[:2] == ("EVALSHA", START_STATIONS.sha):
            count = int(command[2])
            touched, arguments = command[3 : 3 + count], command[3 + count :]
            for _, index, entry in zip(*(arguments[n::3] for n in (3, 4, 5)), strict=True):
                await ordinary(self, "XADD", touched[int(index) - 1], "*", "e", entry)
                passing("between_steps", entry)
        return await ordinary(self, *command)

    Lane.one = one  # type: ignore[method-assign]
