"""Makes a commit of two commands: fence and outbox first, the state after it. Between them is the point `between`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.bus import keys
from shared.bus.lane import Lane
from tests.chaos.harness import points
from workers.consumer import batch
from workers.store import commit
from workers.store.commit import Outcome
from workers.store.draft import Draft
from workers.store.outbox import encode

POINT = "between"


def apply() -> None:
    """Write the half of a commit that answers the station on its own."""
    ordinary = commit.commit_many

    async def commit_many(lane: Lane, drafts: Sequence[Draft], *more: Any) -> list[Outcome]:
        for draft in drafts:
            if points.passing(POINT, draft.answer or b""):
                origin = draft.origin
                fields = (f"f:{origin.epoch}", origin.call_seq, f"o:{origin.epoch}", encode(draft.outbox()))
                await lane.one("HSET", keys.state(draft.view.station_id), *fields)
                # Whoever armed the point ends Redis now; what would follow is the other half.
                while True:
                    await lane.one("PING")
        return await ordinary(lane, drafts, *more)

    assert batch.commit_many is ordinary  # type: ignore[attr-defined]
    batch.commit_many = commit_many  # type: ignore[assignment, attr-defined]
