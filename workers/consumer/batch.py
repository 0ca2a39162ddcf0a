"""Decides and commits entries: load, decide, commit, until nothing is missing and nothing conflicts.

A batch runs in rounds with one entry per station, so that each decision sees what the one before it left. Within a
round, a decision that needs more is decided again once that is loaded, and one that conflicts once its state is
loaded anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from shared.bus.barrier import Barrier
from shared.bus.lane import Lane
from shared.policy import Policy
from shared.records.tags import Judgement
from workers.dispatch import Entry, decide
from workers.store.commit import NO_BARRIER, Outcome, Result, commit_many
from workers.store.draft import Draft
from workers.store.loading import Loader
from workers.store.view import StationView
from workers.store.wants import Missing, Want, WantJudgement, WantTransactionId

MAX_TURNS: Final = 32
"""A decision that still misses something or conflicts after so many turns is a defect, or somebody else's storm."""

Decider = Callable[[Entry, StationView, int, Policy], Draft]
Observe = Callable[[str, float], None]
Park = Callable[[Entry, WantJudgement], None]
"""Lets an entry wait for what takes long; it is decided later, by another batch."""


class Unsettled(RuntimeError):
    """An entry could not be decided and committed in `MAX_TURNS` turns."""


class Done(msgspec.Struct, frozen=True):
    """An entry, what was decided and what the commit came to."""

    entry: Entry
    draft: Draft
    outcome: Outcome
    conflicts: int = 0
    took_s: float = 0.0
    """From the moment that the draft calls now until the commit's reply."""


def rounds(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Split entries, in order, so that no round has two of one station."""
    waiting = list(entries)
    while waiting:
        taken: set[str] = set()
        now, later = [], []
        for entry in waiting:
            # Canaries and the like belong to no station.
            if entry.station and entry.station in taken:
                later.append(entry)
            else:
                taken.add(entry.station)
                now.append(entry)
        yield now
        waiting = later


class Batch:
    """Runs rounds over one lane; keeps the states of `kept` stations.

    `observe(phase, seconds)` is told how long each phase took.
    """

    def __init__(
        self,
        lane: Lane,
        policy: Policy,
        observe: Observe,
        decider: Decider | None = None,
        barrier: Barrier = NO_BARRIER,
        kept: int = 0,
        park: Park | None = None,
    ) -> None:
        """`park` None: what takes long is not waited for, and decided without."""
        self._park = park
        self._lane = lane
        self._policy = policy
        self._loader = Loader(lane, barrier, kept)
        self._barrier = barrier
        self._observe = observe
        self._decide = decider or decide

    async def run(self, entries: Sequence[Entry]) -> list[Done]:
        """Decide and commit one round; entries that wait for something slow are not among what is returned.

        Raises `LaneLost`, `Unsettled`, and whatever a decider lets through.
        """
        turns = [_Turn(entry) for entry in entries]
        waiting = turns
        for _ in range(MAX_TURNS):
            ready, waiting, loaded_at = await self._decided(waiting)
            if ready:
                with timed(self._observe, "commit"):
                    outcomes = await commit_many(self._lane, [draft for _, draft in ready], self._barrier)
                took_s = time.perf_counter() - loaded_at
                for (turn, draft), outcome in zip(ready, outcomes, strict=True):
                    if outcome.result is Result.CONFLICT:
                        turn.conflicts += 1
                        waiting.append(turn)
                    else:
                        self._keep(draft, outcome)
                        turn.done = Done(turn.entry, draft, outcome, turn.conflicts, took_s)
            if not waiting:
                return [turn.done for turn in turns if turn.done is not None]
        raise Unsettled(f"{len(waiting)} entries neither decided nor committed in {MAX_TURNS} turns")

    def _keep(self, draft: Draft, outcome: Outcome) -> None:
        """Keep the station's state as it is now, where this commit tells what it is."""
        if outcome.result is not Result.COMMITTED:
            return
        if outcome.token is not None:
            draft.view.advance(outcome.token, draft.changed)
        elif draft.changed:
            return  # The station is deleted.
        self._loader.keep(draft.view)

    async def _decided(self, turns: Sequence[_Turn]) -> tuple[list[tuple[_Turn, Draft]], list[_Turn], float]:
        """Load and decide; returns what was decided, what misses something, and when that was loaded."""
        with timed(self._observe, "load"):
            loaded = await self._loader.load(
                [turn.entry.station for turn in turns if turn.entry.station],
                [(turn.entry.origin.entry_id, turn.entry.station, turn.wanted) for turn in turns if turn.wanted],
            )
        loaded_at = time.perf_counter()
        ready: list[tuple[_Turn, Draft]] = []
        missing: list[_Turn] = []
        with timed(self._observe, "decide"):
            for turn in turns:
                entry = turn.entry
                view = loaded.views.get(entry.station) or StationView(entry.station, None, {})
                view.loaded = turn.found(loaded.wanted) if turn.wanted else entry.given
                try:
                    ready.append((turn, self._decide(entry, view, loaded.now_ms, self._policy)))
                except Missing as error:
                    if not isinstance(error.want, WantJudgement):
                        turn.wanted.add(error.want)
                        missing.append(turn)
                    elif self._park is not None:
                        self._park(entry, error.want)
                    else:
                        entry.given[error.want] = Judgement(problem="busy")
                        missing.append(turn)
        return ready, missing, loaded_at


class _Turn:
    """An entry on its way: what its decision wants, over the rounds that it takes, and what became of it."""

    __slots__ = ("conflicts", "done", "entry", "wanted")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.wanted: set[Want] = set(entry.wants())
        self.conflicts = 0
        self.done: Done | None = None

    def found(self, wanted: dict[str, dict[Want, Any]]) -> dict[Want, Any]:
        """Return what was loaded for the entry; a transaction id, once taken, serves every further turn."""
        kept, loaded = self.entry.given, wanted.get(self.entry.origin.entry_id, {})
        for want, value in loaded.items():
            if type(want) is WantTransactionId:
                kept[want] = value
                self.wanted.discard(want)
        return {**loaded, **kept}


@contextmanager
def timed(observe: Observe, phase: str) -> Iterator[None]:
    """Tell `observe` how long the block took, in seconds."""
    started = time.perf_counter()
    yield
    observe(phase, time.perf_counter() - started)
