"""What crash tests share: a ledger on disk for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos.harness.charger import LedgerFile


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[LedgerFile]:
    """The stations' own ledger of this test; its chargers are gone in the end."""
    made = LedgerFile(tmp_path / "ledger.jsonl")
    yield made
    await made.end()
