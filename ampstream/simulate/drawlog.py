"""What stations truly drew, at every moment, whatever they reported: for tests that hold a limit against it.

    log = DrawLog()                     World(..., draws=log)
    log.amps("SIM-00001", at_ms)        A on L1, L2, L3 of the station's terminals
    log.power_w("SIM-00001", at_ms)     W
    DrawLog.read(path)                  the same of a fleet in another process: `ampstream simulate --draw-log FILE`

Kept as stretches (`ampstream.simulate.physics`), so nothing is sampled: any moment can be asked for, and a car costs a
line when it begins, changes what it draws, or ends. Times are ms of the stations' clock, the one of their messages.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from pathlib import Path
from typing import Final, Protocol, Self

import msgspec

from ampstream.simulate.physics import VOLTS, Stretch

LINES: Final = 3


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector draws from a moment on; without a stretch nothing."""

    station: str
    connector: int
    at_ms: int
    origin_ms: float
    """When the session began: the stretch counts from there."""
    rate: float
    """Simulated seconds in one of the clock."""
    dc_phases: int
    """Of a DC outlet: on how many phases it draws; 0: AC, on as many as its stretch says."""
    stretch: Stretch | None

    def _elapsed_s(self, at_ms: float) -> float:
        return (at_ms - self.origin_ms) / 1000 * self.rate

    def power_w(self, at_ms: float) -> float:
        """Return the power at a moment."""
        return self.stretch.power_w(self._elapsed_s(at_ms)) if self.stretch is not None else 0.0

    def energy_wh(self, at_ms: float) -> float:
        """Return the session's energy up to a moment, 0 where it is over."""
        return self.stretch.energy_wh(self._elapsed_s(at_ms)) if self.stretch is not None else 0.0

    def amps(self, at_ms: float) -> tuple[float, float, float]:
        """Return the current of each phase; a car on fewer than three draws on the first."""
        if self.stretch is None:
            return (0.0, 0.0, 0.0)
        phases = self.dc_phases or self.stretch.phases
        each = self.power_w(at_ms) / (VOLTS * phases)
        return (each, each if phases > 1 else 0.0, each if phases > 2 else 0.0)


class Draws(Protocol):
    """Where true draws are noted."""

    def note(self, drawn: Drawn) -> None:
        """Take what a connector draws from a moment on."""


class DrawLog:
    """The draws of a fleet by station and connector."""

    def __init__(self) -> None:
        self._by_station: dict[str, dict[int, list[Drawn]]] = defaultdict(lambda: defaultdict(list))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file of a `DrawFile`; a torn last line is passed over. Raises OSError, msgspec.MsgspecError."""
        log = cls()
        for line in path.read_bytes().split(b"\n")[:-1]:
            log.note(_decode(line))
        return log

    def note(self, drawn: Drawn) -> None:
        """Take what a connector draws from a moment on."""
        self._by_station[drawn.station][drawn.connector].append(drawn)

    @property
    def stations(self) -> list[str]:
        """Every station that ever drew."""
        return list(self._by_station)

    def changes(self, station: str) -> list[Drawn]:
        """Return all that was noted of a station, in order."""
        found = [one for drawn in self._by_station.get(station, {}).values() for one in drawn]
        return sorted(found, key=lambda one: one.at_ms)

    def of(self, station: str, at_ms: float) -> list[Drawn]:
        """Return what holds on each connector of a station at a moment."""
        held = []
        for drawn in self._by_station.get(station, {}).values():
            place = bisect.bisect_right(drawn, at_ms, key=lambda one: one.at_ms)
            if place:
                held.append(drawn[place - 1])
        return held

    def power_w(self, station: str, at_ms: float) -> float:
        """Return what a station draws at a moment, W."""
        return sum(one.power_w(at_ms) for one in self.of(station, at_ms))

    def amps(self, station: str, at_ms: float) -> tuple[float, float, float]:
        """Return what a station draws at a moment on L1, L2 and L3 of its terminals, A."""
        each = [one.amps(at_ms) for one in self.of(station, at_ms)]
        return (sum(a for a, _, _ in each), sum(b for _, b, _ in each), sum(c for _, _, c in each))


class DrawFile:
    """A line of JSON for each change, for who looks from outside."""

    def __init__(self, path: Path) -> None:
        """Begin the file anew; raises OSError."""
        self._file = path.open("wb", buffering=0)

    def note(self, drawn: Drawn) -> None:
        """Take what a connector draws from a moment on."""
        self._file.write(_encode(drawn) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Drawn).decode
