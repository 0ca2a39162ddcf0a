"""Transactions whose tag was refused when their start came: begun offline, or on what the station knew by itself.

The station is told by StartTransaction.conf, and SHOULD then stop the transaction, or the energy alone, by its key
StopTransactionOnInvalidId; MaxEnergyOnInvalidId may leave the car some energy to drive away (OCPP 1.6 section 3.5.4).
What it says it will do is told with the event; what it did is measured at the end.
"""

from __future__ import annotations

from typing import Final

import msgspec

from shared.records.configuration import Snapshot
from shared.records.events import TransactionUnauthorized, TransactionUnauthorizedEnded
from shared.records.transactions import Reading, Transaction
from workers.store.draft import Draft
from workers.store.wants import WantReadings, WantSnapshot

from . import flags
from .clocks import is_plausible

TOLERANCE_WH: Final = 500
"""What a station may deliver until it has understood: a minute and a half at 22 kW."""
REGISTER: Final = "Energy.Active.Import.Register"
_STOPS: Final = {"true": "stop", "false": "suspend"}
_LEFT_ALONE: Final = frozenset({"", "Accepted"})


def began_offline(draft: Draft, started_at: int) -> bool:
    """Tell whether a transaction began before the session over which its start came."""
    opened_at = draft.session.opened_at
    return is_plausible(started_at, draft.origin.received_at) and 0 < started_at < opened_at


def marks(draft: Draft, status: str, started_at: int) -> tuple[str, ...]:
    """Return the flags of a transaction whose start is answered with `status`."""
    if status in _LEFT_ALONE or not began_offline(draft, started_at):
        return ()
    return (flags.OFFLINE_REFUSED,)


def tell(draft: Draft, opened: Transaction) -> None:
    """Announce a transaction that began without leave; billing must know before it ends."""
    if opened.authorization in _LEFT_ALONE:
        return
    expected, most = _configured(draft)
    draft.emit(
        TransactionUnauthorized(
            station_id=draft.station_id,
            at=draft.origin.received_at,
            transaction_id=opened.transaction_id,
            connector_id=opened.connector_id,
            status=opened.authorization,
            offline=flags.OFFLINE_REFUSED in opened.flags,
            started_at=opened.started_at,
            expected=expected,
            max_energy_wh=most,
        )
    )


def judge(draft: Draft, closed: Transaction) -> Transaction:
    """Say at the end what a transaction without leave was given after its refusal; returns the record, flagged."""
    if closed.authorization in _LEFT_ALONE:
        return closed
    _, most = _configured(draft)
    after = _energy_after(draft, closed)
    if after is not None and after > (most or 0) + TOLERANCE_WH:
        closed = msgspec.structs.replace(closed, flags=flags.union(closed.flags, flags.CHARGED_REFUSED))
        draft.flag(flags.CHARGED_REFUSED)
    draft.emit(
        TransactionUnauthorizedEnded(
            station_id=draft.station_id,
            at=draft.origin.received_at,
            transaction_id=closed.transaction_id,
            connector_id=closed.connector_id,
            status=closed.authorization,
            energy_wh=closed.energy_wh,
            energy_after_wh=after,
            flags=closed.flags,
        )
    )
    return closed


def _energy_after(draft: Draft, closed: Transaction) -> int | None:
    """Return the energy since the station was told (Wh); None where nobody measured it then."""
    if closed.meter_stop_wh is None:
        return None
    readings: tuple[Reading, ...] = draft.get(WantReadings(closed.transaction_id))
    known = [
        (reading.taken_at, sample.value)
        for reading in readings
        for sample in reading.samples
        if sample.measurand == REGISTER and not sample.phase and isinstance(sample.value, int)
    ]
    before = [value for taken_at, value in known if taken_at <= closed.received_at]
    if not before and flags.OFFLINE_REFUSED in closed.flags:
        return None
    return max(closed.meter_stop_wh - max([*before, closed.meter_start_wh]), 0)


def _configured(draft: Draft) -> tuple[str, int | None]:
    """Return what the station is set to do (`stop`, `suspend`, `unknown`), and how much energy it may still give."""
    snapshot: Snapshot | None = draft.get(WantSnapshot())
    held = {name.lower(): one.value or "" for name, one in snapshot.keys.items()} if snapshot is not None else {}
    most = held.get("maxenergyoninvalidid", "").strip()
    expected = _STOPS.get(held.get("stoptransactiononinvalidid", "").strip().lower(), "unknown")
    return expected, int(most) if most.isdecimal() and len(most) < 10 else None
