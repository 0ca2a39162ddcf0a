"""Two edges, two workers and Valkey with its users, as plain processes behind the HAProxy that is shipped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.chaos.harness.processes import Lifeline
from tests.chaos.harness.system import System
from tests.deploy.balancer import ADDRESS, Balancer
from tests.deploy.users import denied, with_users


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running Ampstream that trusts the balancer alone; whoever hurts it starts it again."""
    settings = {"PARTITIONS": "2", "TRUSTED_PROXIES": ADDRESS, "DRAIN_S": "3"}
    settings["SILENCE_CLOSE_S"] = "30"  # An edge that stands still for 2 s gets stations all the same.
    directory = tmp_path_factory.mktemp("deploy")
    settings |= {"TRANSFER_DIR": str(directory / "files"), "TRANSFER_RESERVE_BYTES": "0"}
    made = System(directory / "system", edges=2, workers=2, settings=settings)
    with_users(made)
    try:
        asyncio.run(made.start())
        yield made
        assert not denied(made), "a role lacks what it needs: deploy/roles.py"
    finally:
        made.close()


@pytest.fixture
def lifeline() -> Iterator[Lifeline]:
    """Ends what a test started."""
    made = Lifeline()
    yield made
    made.close()


@pytest.fixture
async def balancer(system: System, lifeline: Lifeline) -> AsyncIterator[Balancer]:
    """The balancer before both edges, which are up."""
    made = Balancer(system, lifeline)
    await made.serve()
    try:
        yield made
    except BaseException:
        print(made.tail(), system.logs())
        raise
    finally:
        made.kill()
