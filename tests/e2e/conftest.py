"""One system of two edges and two workers for all tests here that leave it whole; each has stations of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from tests.chaos.harness import ports
from tests.chaos.harness.charger import LedgerFile
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.deploy.users import denied, with_users
from tests.e2e.field import PATIENT
from tests.e2e.secured import secured


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that share a system in one process."""
    for item in items:
        if "system" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the shared system with a test that failed on it."""
    report = yield
    system = getattr(item, "funcargs", {}).get("system")
    if report.failed and isinstance(system, System):
        report.sections.append(("logs of the system", system.logs()))
    return report


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running Ampstream; nobody kills anything of it."""
    directory = tmp_path_factory.mktemp("e2e") / "system"
    # What waits for cars and meters is short here.
    waits = {"LIMIT_GRACE_S": "5", "SITE_ROUND_S": "1", "OPENADR_POLL_S": "2"}
    # The VTN is there while a test plays it.
    vtn = {"OPENADR_CLIENT_ID": "me", "OPENADR_CLIENT_SECRET": "secret", "OPENADR_VEN_NAME": "me"}
    vtn |= {"OPENADR_URL": f"http://127.0.0.1:{ports.take()}/vtn"}
    # By the command lines that people use; the systems of single tests are forked.
    settings = {"PARTITIONS": "2", **PATIENT, **waits, **vtn, **secured(tmp_path_factory.mktemp("tls"))}
    settings |= {"TRANSFER_DIR": str(directory / "files"), "TRANSFER_ALLOWED": "ftp://example.com,https://example.com"}
    made = System(directory, edges=2, workers=2, settings=settings, warm=False)
    # As deployed: edges and workers are users of their own in Valkey. Whatever feature is tested here, its commands and
    # keys must be granted.
    with_users(made)
    try:
        asyncio.run(made.start())
        yield made
        assert not denied(made), "a role lacks a command or key of a feature: see deploy/roles.py"
    finally:
        made.close()


@pytest.fixture
def operator(system: System) -> Operator:
    """Somebody who asks the first edge."""
    return system.operator()


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[LedgerFile]:
    """The stations' own ledger of this test; its chargers are gone in the end."""
    made = LedgerFile(tmp_path / "ledger.jsonl")
    yield made
    await made.end()
