"""A site's past, minute by minute: what was allowed, given and drawn at each circuit and station.

A stream `site:{name}:history` per site, one entry a minute whose id is that minute (so that none is written twice),
trimmed by age (`AMPSTREAM_SITE_HISTORY_S`). Read with `shared.records.queries.site_history`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from .sites import NOTHING, Amps

FIELD: Final = b"m"
"""The one field of an entry: a packed `Minute`."""
MINUTE_MS: Final = 60_000


class Point(msgspec.Struct, array_like=True, frozen=True):
    """One circuit or station in one minute. Tenths of an ampere on R, S, T; watts where a limit is given so."""

    limit: Amps | None = None
    """Of a station: what it was told; None: watts alone limit it."""
    allocated: Amps = NOTHING
    drawn: Amps = NOTHING
    """As last measured; at a circuit without its base load."""
    base: Amps = NOTHING
    limit_w: int = 0
    """0: none."""


class Minute(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of a site in one minute; stations of which nothing is to say are left out."""

    at: int
    """Its beginning (ms)."""
    voltage: int = 230
    circuits: dict[str, Point] = {}
    stations: dict[str, Point] = {}
