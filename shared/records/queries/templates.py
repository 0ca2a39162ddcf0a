"""Templates and their writes: a template is no station's state, so no commit of a station; and how stations stand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.configuration import Snapshot
from shared.records.packing import unpack
from shared.records.stations import StationRecord
from shared.records.templates import MAX_TEMPLATES, Template, Templates, wants_the_same
from shared.records.tuning import STATES, Tuned, TuningState

from .reading import counting, page_by_name, replies
from .registers import Register

CHUNK: Final = 500


class Standing(msgspec.Struct, frozen=True):
    """How a station stands to a template; `outdated`: it was looked at before the template's last change."""

    station_id: str
    state: TuningState
    outdated: bool
    tuned: Tuned


class TuningNow(msgspec.Struct, frozen=True):
    """A station, what is remembered of it, and its last snapshot."""

    station: StationRecord
    tuned: Tuned
    snapshot: Snapshot | None


def _succeeds(before: Template, after: Template) -> Template:
    """Return a template that takes another one's place: a new version only where stations have something to do."""
    if wants_the_same(before, after):
        return msgspec.structs.replace(after, version=before.version, updated_at=before.updated_at)
    updated_at = max(after.updated_at, before.updated_at + 1)
    return msgspec.structs.replace(after, version=before.version + 1, updated_at=updated_at)


REGISTER: Final = Register(keys.TEMPLATES, Templates, "template", "templates", MAX_TEMPLATES, _succeeds)
"""One that wants what it wanted before keeps its version: nothing is set anew. Stations keep what a deleted one set."""


async def counts(lane: Lane, templates: Iterable[Template]) -> list[dict[TuningState, int]]:
    """Return for each template how many stations stand how; those not looked at since its change are pending."""
    held = list(templates)
    ranges = [f"{one.name}/{one.updated_at}/{state}/" for one in held for state in STATES]
    whole = [f"{one.name}/" for one in held]
    found = await replies(lane, [counting(keys.TUNING, begin) for begin in (*ranges, *whole)])
    made: list[dict[TuningState, int]] = []
    for n in range(len(held)):
        known = dict(zip(STATES, found[n * len(STATES) : (n + 1) * len(STATES)], strict=True))
        outdated = max(found[len(ranges) + n] - sum(known.values()), 0)
        made.append({**known, "pending": known["pending"] + outdated})
    return made


async def stations(
    lane: Lane, template: Template, state: TuningState | None, after: str, limit: int
) -> tuple[list[Standing], str]:
    """Return up to `limit` stations that a template matched, behind the member `after`; and the next, or empty.

    Sorted by the state of their last look. A page may be short and go on.
    """
    prefix = f"{template.name}/"
    if state not in (None, "pending"):
        prefix = f"{template.name}/{template.updated_at}/{state}/"

    async def load(members: list[str]) -> list[tuple[str, TuningState, bool]]:
        return [_read(template, member) for member in members]

    def takes(found: tuple[str, TuningState, bool]) -> bool:
        return state is None or found[1] == state

    kept, last = await page_by_name(lane, keys.TUNING, load, takes, after, limit, prefix=prefix, chunk=CHUNK)
    return await _standing(lane, kept), last


async def tuning(lane: Lane, station_id: str) -> TuningNow | None:
    """Return how a station stands to all that is wanted of it; None where it is not known."""
    (record, tuned), snapshot = await replies(
        lane, [("HMGET", keys.state(station_id), "st", "tu"), ("GET", keys.configuration(station_id))]
    )
    if record is None:
        return None
    return TuningNow(
        unpack(record, StationRecord),
        Tuned() if tuned is None else unpack(tuned, Tuned),
        None if snapshot is None else unpack(snapshot, Snapshot),
    )


def _read(template: Template, member: str) -> tuple[str, TuningState, bool]:
    """Read a member of the index: the station, its state, whether it was looked at before the last change."""
    _, revision, state, station_id = member.split("/", 3)
    outdated = revision != str(template.updated_at)
    return station_id, "pending" if outdated else msgspec.convert(state, TuningState), outdated


async def _standing(lane: Lane, kept: list[tuple[str, TuningState, bool]]) -> list[Standing]:
    found = await replies(lane, [("HGET", keys.state(station_id), "tu") for station_id, _, _ in kept])
    return [
        Standing(*one, Tuned() if packed is None else unpack(packed, Tuned))
        for one, packed in zip(kept, found, strict=True)
    ]
