"""What stations report of charging, in no version's words: what handlers hand to the services.

Times are integer milliseconds since 1970 UTC by the station's clock; texts are as they came, `""` where the station
left them out.
"""

from __future__ import annotations

import msgspec

ENERGY = "Energy.Active.Import.Register"
POWER = "Power.Active.Import"
SOC = "SoC"


class SampleReport(msgspec.Struct, frozen=True, gc=False):
    """One sampled value as it came; defaults are the standard's (OCPP 1.6 section 7.43)."""

    value: str | int | float
    measurand: str = ENERGY
    unit: str = ""
    phase: str = ""
    location: str = "Outlet"
    context: str = "Sample.Periodic"
    format: str = "Raw"


class ReadingReport(msgspec.Struct, frozen=True):
    """The samples of one timestamp."""

    taken_at: int
    samples: tuple[SampleReport, ...]


class MeterReport(msgspec.Struct, frozen=True, kw_only=True):
    """A MeterValues message. `transaction_id` None: the station named none."""

    connector_id: int
    readings: tuple[ReadingReport, ...]
    transaction_id: int | None = None


class StartReport(msgspec.Struct, frozen=True, kw_only=True):
    """A StartTransaction message; `meter_start` in the station's Wh."""

    connector_id: int
    id_tag: str
    started_at: int
    meter_start: int
    reservation_id: int = 0


class StopReport(msgspec.Struct, frozen=True, kw_only=True):
    """A StopTransaction message; `meter_stop` in the station's Wh; `transaction_id` None: none came."""

    transaction_id: int | None
    stopped_at: int
    meter_stop: int
    id_tag: str = ""
    reason: str = "Local"
    """Local where the station gave none (OCPP 1.6 section 4.10)."""
    readings: tuple[ReadingReport, ...] = ()
