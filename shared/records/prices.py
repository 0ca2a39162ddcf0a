"""What energy costs, by interval: for charging that may wait until it is cheap.

One record per area (`prices:{area}`), written by the API or by OpenADR; intervals do not overlap, times are ms. Who
wrote what is kept apart, so that what an event of OpenADR told can be taken back and what it covered holds again.
"""

from __future__ import annotations

from typing import Final

import msgspec

DEFAULT_AREA: Final = "default"
AREA_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
MAX_AREA: Final = 64
MAX_INTERVALS: Final = 3000
"""Of one area: a month of quarters of an hour."""


class PriceInterval(msgspec.Struct, array_like=True, frozen=True):
    """A price from `start_at` to before `end_at`, per kWh in the area's currency; it may be negative."""

    start_at: int
    end_at: int
    price: float


class PriceLayer(msgspec.Struct, array_like=True, frozen=True):
    """What one source told; `source` is an event's id where it came from, empty: operators."""

    source: str
    currency: str = ""
    intervals: tuple[PriceInterval, ...] = ()


class Prices(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The prices of an area, in order."""

    area: str = DEFAULT_AREA
    currency: str = ""
    intervals: tuple[PriceInterval, ...] = ()
    """What holds: the layers, one over the other."""
    layers: tuple[PriceLayer, ...] = ()
    """The lowest first; none where only operators wrote: `intervals` are theirs."""
    updated_at: int = 0
    updated_by: str = ""
