"""What of a reading counts: that of the outlet; and of direct current the power, for its current is the battery's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from shared.records.transactions import Sample

CURRENT: Final = "Current.Import"
POWER: Final = "Power.Active.Import"
VOLTAGE: Final = "Voltage"
SOC: Final = "SoC"
OUTLET: Final = "Outlet"
ABOVE_GRID_V: Final = 280
"""No grid has more between phase and neutral."""
EXACT: Final = 0.1
"""Voltage times current is the power, but for this share: meters round."""


def direct_w(samples: Iterable[Sample]) -> float | None:
    """Return the power of an outlet of direct current; None: it is none, or nothing shows it.

    It is one where a current without a phase stands beside the battery's state of charge, which the protocols of
    direct current alone tell; or where that current, times a voltage that no phase of a grid has, is the power (of
    three phases it would be 1.7 times as much).
    """
    found = {
        one.measurand: float(one.value)
        for one in samples
        if not one.phase and isinstance(one.value, int | float) and one.measurand in (CURRENT, POWER, VOLTAGE, SOC)
    }
    current, power, voltage = (found.get(name) for name in (CURRENT, POWER, VOLTAGE))
    if current is None:
        return None
    product = None if voltage is None else voltage * current
    if SOC in found:
        return product if power is None else power
    if power is None or product is None or voltage is None or voltage <= ABOVE_GRID_V:
        return None
    return power if abs(product - power) <= EXACT * power else None


def at_outlet(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Return what was measured at the outlet; where no current or power was, all: some know no other place."""
    found = [one for one in samples if one.location in ("", OUTLET) and one.measurand in (CURRENT, POWER)]
    return found or samples
