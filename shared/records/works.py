"""What jobs and campaigns of firmware share: work at many stations, each of them at a place or with a result."""

from __future__ import annotations

import zlib
from typing import Generic, TypeVar

import msgspec

S = TypeVar("S", bound=str)
P = TypeVar("P", bound=str)
E = TypeVar("E", bound=str)


class WorkNow(msgspec.Struct, Generic[S, P, E], frozen=True, kw_only=True):
    """A work as it stands: `places` and `outcomes` count its stations."""

    state: S
    changed_at: int = 0
    """When somebody made, paused, resumed or cancelled it."""
    changed_by: str = ""
    ended_at: int = 0
    """When its last station ended; 0: it has not."""
    places: dict[P, int] = {}
    outcomes: dict[E, int] = {}

    @property
    def ended(self) -> int:
        """How many stations have a result."""
        return sum(self.outcomes.values())


def turn_of(work_id: str, station_id: str) -> int:
    """Return a station's place in the order of a work: shuffled, so that neighbours don't follow each other."""
    return zlib.crc32(f"{work_id}:{station_id}".encode())
