"""What a station's firmware shows while it works: error codes, vendor error codes, measurands.

    learning ──firmware_settle_ms──> settled ──another firmware──> settling, against what was usual ──> settled

A firmware is learned for `firmware_settle_ms` from its first report. From then on what it never showed before is *new*,
at the next read of the configuration. Another firmware is held against what was usual before it: what it shows beyond
that is new at once, what it has not shown after `firmware_settle_ms` is *gone*, told once, and only of a sort of which
it has shown something (a station that nobody charged at has lost no measurand).

Reports only look whether something is known: a write happens where it is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from shared.records.configuration import Change, ChangeKind, FirmwareMemory, Shown
from shared.records.transactions import Reading
from workers.store.draft import Draft

MAX_SHOWN: Final = 64
"""Codes or measurands remembered of one sort: a station that makes them up can't fill its record."""
MAX_TEXT: Final = 64
NO_ERROR: Final = "NoError"
_SORTS: Final[tuple[tuple[str, ChangeKind, ChangeKind], ...]] = (
    ("error_codes", "error_code_new", "error_code_gone"),
    ("vendor_error_codes", "vendor_error_code_new", "vendor_error_code_gone"),
    ("measurands", "measurand_new", "measurand_gone"),
)


def showed_error(draft: Draft, error_code: str, vendor_error_code: str) -> None:
    """Remember the codes of a status that is no plain one."""
    if error_code in ("", NO_ERROR) and not vendor_error_code:
        return
    memory = _memory(draft)
    shown = memory.shown
    if error_code not in ("", NO_ERROR) and error_code not in shown.error_codes:
        shown = msgspec.structs.replace(shown, error_codes=_with(shown.error_codes, error_code))
    if vendor_error_code and vendor_error_code not in shown.vendor_error_codes:
        shown = msgspec.structs.replace(shown, vendor_error_codes=_with(shown.vendor_error_codes, vendor_error_code))
    if shown is not memory.shown:
        memory = msgspec.structs.replace(memory, shown=shown)
    if memory is not draft.configured.firmware:
        _put(draft, memory)


def showed_measurands(draft: Draft, readings: Iterable[Reading]) -> None:
    """Remember the measurands of samples; a frame that shows nothing new costs a look at each."""
    memory = _memory(draft)
    known = memory.shown.measurands
    for reading in readings:
        for sample in reading.samples:
            if sample.measurand not in known:
                known = _with(known, sample.measurand)
    if known is not memory.shown.measurands:
        memory = msgspec.structs.replace(memory, shown=msgspec.structs.replace(memory.shown, measurands=known))
    if memory is not draft.configured.firmware:
        _put(draft, memory)


def compared(draft: Draft) -> tuple[Change, ...]:
    """Return what the firmware shows that is new, or gone, since this was last asked."""
    memory = _memory(draft)
    settled = bool(memory.since) and draft.now - memory.since >= draft.policy.firmware_settle_ms
    if memory.known is None:
        if settled:
            _put(draft, msgspec.structs.replace(memory, known=memory.shown, compared=True))
        return ()
    found: list[Change] = []
    for field, new, gone in _SORTS:
        shown, known = getattr(memory.shown, field), getattr(memory.known, field)
        found += [Change(kind=new, name=one, after=one) for one in shown if one not in known]
        if settled and not memory.compared and shown:
            found += [Change(kind=gone, name=one, before=one) for one in known if one not in shown]
    made = memory
    if found:
        made = msgspec.structs.replace(made, known=_union(memory.known, memory.shown))
    if settled and not memory.compared:
        made = msgspec.structs.replace(made, known=_settled(memory.known, memory.shown), compared=True)
    if made is not draft.configured.firmware:
        _put(draft, made)
    return tuple(found)


def _memory(draft: Draft) -> FirmwareMemory:
    """Return the memory of the firmware that the station has now."""
    memory: FirmwareMemory = draft.configured.firmware
    station = draft.station
    version = station.firmware if station is not None else ""
    if memory.since and memory.version == version:
        return memory
    known = _union(memory.known, memory.shown) if memory.known is not None else None
    return FirmwareMemory(version=version, since=draft.now, known=known)


def _put(draft: Draft, memory: FirmwareMemory) -> None:
    draft.put(msgspec.structs.replace(draft.configured, firmware=memory))


def _with(known: tuple[str, ...], one: str) -> tuple[str, ...]:
    one = one[:MAX_TEXT]
    return known if one in known or len(known) >= MAX_SHOWN else (*known, one)


def _union(one: Shown, other: Shown) -> Shown:
    return Shown(*(tuple(dict.fromkeys((*getattr(one, f), *getattr(other, f)))) for f, _, _ in _SORTS))


def _settled(known: Shown, shown: Shown) -> Shown:
    """Return what is usual from now on: of a sort that was not shown at all, what was usual before."""
    return Shown(*(getattr(shown, f) or getattr(known, f) for f, _, _ in _SORTS))
