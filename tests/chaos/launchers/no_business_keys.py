"""Takes the business key of starts out: every StartTransaction is a new transaction."""

from __future__ import annotations

from shared.records.transactions import Transaction
from workers.services import transactions
from workers.store.draft import Draft


def _never(draft: Draft, key: str) -> Transaction | None:
    return None


def apply() -> None:
    """Let no start find its earlier one."""
    assert callable(transactions._same_start)
    transactions._same_start = _never
