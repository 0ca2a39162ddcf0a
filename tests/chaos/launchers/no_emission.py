"""Takes the outbox out: the stored outcome of a duplicate is dropped instead of sent out."""

from __future__ import annotations

from typing import Any

from workers.store import commit
from workers.store.commit import Outcome, Result
from workers.store.outbox import Outbox


def apply() -> None:
    """Let a duplicate owe nothing."""
    ordinary = commit._outcome

    def outcome(reply: list[Any], outbox: Outbox, field: str) -> Outcome:
        if Result(reply[0]) is Result.DUPLICATE:
            return Outcome(Result.DUPLICATE, None, field)
        return ordinary(reply, outbox, field)

    commit._outcome = outcome
