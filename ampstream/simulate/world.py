"""What all stations of a fleet share: seed, time, speed, tags, ledger, and the counters of the status line."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from ampstream.simulate.drawlog import Draws
from ampstream.simulate.ledger import NoLedger, Recorder
from ampstream.simulate.profiles import Profile
from ampstream.simulate.transfers import Mover
from ampstream.simulate.wheel import Timer, Wheel


class Counters(msgspec.Struct):
    """What happened in the fleet since its start."""

    calls: int = 0
    answered: int = 0
    errors: int = 0
    """CALLERRORs to our calls, and answers that no schema knows."""
    timeouts: int = 0
    dropped: int = 0
    """Transaction messages given up."""
    commands: int = 0
    """Calls of the CSMS."""
    refused: int = 0
    """Upgrades that got no 101."""
    lost: int = 0
    """Connections that ended."""
    started: int = 0
    stopped: int = 0
    energy_wh: int = 0
    """Of ended sessions."""


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class World:
    """One per fleet; `wall_ms` is what stations write into messages, `wheel.now` what they wait by."""

    def __init__(
        self,
        wheel: Wheel,
        profile: Profile,
        *,
        seed: str = "1",
        run: int = 0,
        tags: Sequence[str] = ("SIMTAG01",),
        speed: float = 1.0,
        ledger: Recorder | None = None,
        wall_ms: Callable[[], int] = _wall_ms,
        clock_speed: float = 1.0,
        draws: Draws | None = None,
        mover: Mover | None = None,
    ) -> None:
        """`run` counts the starts of a fleet on its ledger: message ids must differ between them.

        `clock_speed`: how many seconds of `wall_ms` pass in one of the wheel's. `draws` gets what cars truly draw.
        `mover` moves files; None: transfers are only played.
        """
        self.wheel = wheel
        self.profile = profile
        self.seed = seed
        self.run = run
        self.tags = tags
        self.speed = speed
        self.ledger: Recorder = ledger or NoLedger()
        self.wall_ms = wall_ms
        self.clock_speed = clock_speed
        self.draws = draws
        self.mover = mover
        self.counters = Counters()
        self.stopping = False
        """No new cars from now on."""

    def after(self, simulated_s: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` after simulated seconds."""
        return self.wheel.after(simulated_s / self.speed, callback)
