"""How much is measured, and all figures of a run."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from ampstream.bench.authorize import Authorize
from ampstream.bench.commands import Commands
from ampstream.bench.configure import Configure
from ampstream.bench.load import Measured
from ampstream.bench.local_lists import LocalLists
from ampstream.bench.metering import Metering
from ampstream.bench.sites import Allocation
from ampstream.bench.targets import Target
from ampstream.bench.verify import Verdict


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much load."""

    stations: int = 500
    seconds: float = 20.0
    warm_up_s: float = 2.0
    connections: int = 18_000
    storm: int = 10_000
    one_system: bool = False
    """All scenarios on one system: quicker, but memory and caches are no longer those of a fresh one."""


QUICK: Final = Size(stations=50, seconds=1.0, warm_up_s=0.3, connections=300, storm=300, one_system=True)


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """Idle stations on one edge."""

    stations: int
    """Connected, booted, and answered once more when all were there."""
    connect_s: float
    edge_bytes_each: int
    edge_rss_bytes: int


class Storm(msgspec.Struct, frozen=True, kw_only=True):
    """All stations lost their connection in one moment and dialled in the next."""

    stations: int
    booted_s: float
    """From the loss until the last boot was accepted."""
    refused: int
    """Upgrades that the edge put off."""
    cpu_s: dict[str, float]


class Outcome(msgspec.Struct, kw_only=True):
    """All figures of a run; parts that did not run are None or empty."""

    throughput: dict[str, Measured] = {}
    latency: Measured | None = None
    echo: Measured | None = None
    connections: Connections | None = None
    storm: Storm | None = None
    commands: Commands | None = None
    configure: Configure | None = None
    authorize: Authorize | None = None
    local_lists: LocalLists | None = None
    metering: Metering | None = None
    allocation: Allocation | None = None
    verdict: Verdict | None = None
    problems: list[str] = []
    problem_count: int = 0
    load_average: dict[str, float] = {}
    """By scenario, the machine's load average when it began: what else ran beside it."""

    @property
    def parts(self) -> list[Part]:
        """The scenarios in files of their own that ran."""
        return [
            part
            for part in (
                self.commands,
                self.configure,
                self.authorize,
                self.local_lists,
                self.metering,
                self.allocation,
            )
            if part is not None
        ]


class Part(Protocol):
    """The figures of a scenario in a file of its own: what is printed of them, and what they have to reach."""

    @property
    def loads(self) -> dict[str, Measured]:
        """Rows of the table of loads."""

    def lines(self) -> list[str]:
        """Say in words what the rows do not."""
        ...

    def targets(self) -> list[Target]:
        """Return what the figures have to reach."""
        ...


def added(old: Outcome, new: Outcome) -> Outcome:
    """Return both runs together: of what both measured the newer figure counts, and its wrong answers alone."""
    kept = msgspec.structs.asdict(old)
    measured = {name: value for name, value in msgspec.structs.asdict(new).items() if value}
    for name in ("throughput", "load_average"):
        measured[name] = kept[name] | measured.get(name, {})
    if old.verdict is not None and new.verdict is not None:
        measured["verdict"] = old.verdict.plus(new.verdict)
    return Outcome(**(kept | {"problems": [], "problem_count": 0} | measured))
