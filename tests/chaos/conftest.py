"""What crash tests share: a ledger on disk for each test."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ampstream.simulate.ledger import Book, FileLedger, read
from tests.chaos.harness.charger import now_ms


class LedgerFile(FileLedger):
    """A ledger that can be read back from disk at any time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "chaos", now_ms())
        self._path = path

    def book(self) -> Book:
        """Return what is on disk."""
        self.flush()
        return read(self._path)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[LedgerFile]:
    """The stations' own ledger of this test."""
    made = LedgerFile(tmp_path / "ledger.jsonl")
    yield made
    with contextlib.suppress(OSError):
        made.close()
