"""What crash tests share: a ledger on disk for each test, and one system for faults that leave it whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.chaos.harness.charger import LedgerFile
from tests.chaos.harness.system import System


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that share a system in one process."""
    for item in items:
        if "shared_system" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("chaos shared"))


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[LedgerFile]:
    """The stations' own ledger of this test; its chargers are gone in the end."""
    made = LedgerFile(tmp_path / "ledger.jsonl")
    yield made
    await made.end()


@pytest.fixture(scope="session")
def shared_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running Ampstream whose edges let in few stations at once; whoever takes something from it gives it back."""
    settings = {"PARTITIONS": "2", "CONNECT_RATE": "30", "CONNECT_BURST": "15"}
    made = System(tmp_path_factory.mktemp("chaos") / "system", edges=2, workers=2, settings=settings)
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.close()
