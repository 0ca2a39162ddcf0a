"""Turns what a committed decision counted into metrics."""

from __future__ import annotations

from typing import Any, Final

from shared import metrics
from shared.series import PREFIX, Counter, Histogram
from workers.store.commit import Result

from .batch import Done

_FAMILIES: Final[dict[str, Any]] = {
    name.removeprefix(PREFIX): family for name, family in metrics.REGISTRY.families.items()
}
_children: Final[dict[tuple[str, tuple[str, ...]], Any]] = {}
_WAITED: Final = metrics.STREAM_WAIT_SECONDS.labels()
_TOOK: Final = metrics.WORKER_END_TO_END_SECONDS.labels()
_RESULTS: Final = {Result.DUPLICATE: "duplicate", Result.STALE: "stale"}


def count(done: Done, now_ms: int) -> None:
    """Count an entry by action and result, and, where this commit is what made it true, what it stands for."""
    draft, outcome = done.draft, done.outcome
    entry = done.entry
    result = _RESULTS.get(outcome.result) or draft.result
    _child("worker_messages_total", (entry.label, result)).inc()
    if done.conflicts:
        _child("worker_messages_total", (entry.label, "conflict")).inc(done.conflicts)
    if outcome.result is not Result.COMMITTED:
        if outcome.result is Result.STALE:
            metrics.WORKER_FENCED.labels().inc()
        return
    waited_s = max(now_ms - entry.origin.received_at, 0) / 1000
    _WAITED.observe(waited_s)
    _TOOK.observe(waited_s + done.took_s)
    for name, labels, amount in draft.counts:
        child = _child(name, labels)
        if isinstance(child, Histogram):
            child.observe(amount)
        else:
            assert isinstance(child, Counter)
            child.inc(amount)


def _child(name: str, labels: tuple[str, ...]) -> Any:
    found = _children.get((name, labels))
    if found is None:
        # `labels` maps values outside a closed set to `other`: the cache would grow with what a peer makes up.
        found = _FAMILIES[name].labels(*labels)
        if len(_children) < MAX_CHILDREN:
            _children[name, labels] = found
    return found


MAX_CHILDREN: Final = 4096
