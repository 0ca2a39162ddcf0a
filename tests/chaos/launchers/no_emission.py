"""Takes the outbox out: the stored outcome of a duplicate is dropped instead of sent out."""

from __future__ import annotations

from typing import Any

from workers.store import commit
from workers.store.commit import Outcome, Result
from workers.store.outbox import Outbox


def apply() -> None:
    """Let a duplicate owe nothing."""
    ordinary = commit._outcome

    def outcome(reply: Any, outbox: Outbox, field: str, token: bytes | None) -> Outcome:
        made = ordinary(reply, outbox, field, token)
        return Outcome(made.result, None, field) if made.result is Result.DUPLICATE else made

    commit._outcome = outcome
