"""The scenarios by name, in the order in which they run: first what weighs the edge, while a shared system is fresh.

A scenario in a file of its own brings `run(bench)`, a field of `Outcome` with its figures (a `Part`), and a line here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from ampstream.bench import authorize, commands, configure, local_lists, metering, sites
from ampstream.bench.scenarios import Bench

Scenario = Callable[[Bench], Awaitable[None]]

ECHO: Final = "echo"
BEFORE: Final[Mapping[str, Scenario]] = {
    "connections": Bench.connections,
    "storm": Bench.storm,
    "latency": Bench.latency,
    "commands": commands.run,
    "configure": configure.run,
    "authorize": authorize.run,
    "local-lists": local_lists.run,
}
"""What runs before the mixes, which share a system of their own, and the echo, which takes turns with one of them."""
AFTER: Final[Mapping[str, Scenario]] = {"allocation": sites.run, "metrics": metering.run}
