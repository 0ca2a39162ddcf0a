"""What tests share: waiting for a condition, free ports, and a real Valkey."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar, overload

from ampstream.up import valkey
from tests.chaos.harness import ports

Result = TypeVar("Result")
PATIENCE_S: Final = 30.0
"""How long something may take of which only is asked that it happens: a busy machine is no finding."""
LATE_S: Final = 0.05
"""A sleep that takes so much longer than it was to says that this machine stood still."""


@overload
async def wait_until(
    condition: Callable[[], Coroutine[Any, Any, Result]], timeout_s: float = PATIENCE_S, interval_s: float = 0.01
) -> Result: ...


@overload
async def wait_until(
    condition: Callable[[], Result], timeout_s: float = PATIENCE_S, interval_s: float = 0.01
) -> Result: ...


async def wait_until(condition: Callable[[], Any], timeout_s: float = PATIENCE_S, interval_s: float = 0.01) -> Any:
    """Return the condition's first true result; fail when there is none in time.

    Time in which this process stood still does not count: what it waits for most likely stood as well.
    """
    deadline = time.monotonic() + timeout_s
    latest = deadline + PATIENCE_S
    while True:
        found = condition()
        result = await found if isinstance(found, Awaitable) else found
        if result:
            return result
        slept = time.monotonic()
        if slept > deadline:
            raise AssertionError(f"not true within {timeout_s:g} s: {condition}")
        await asyncio.sleep(interval_s)
        deadline = min(deadline + stood_still(slept, interval_s), latest)


def stood_still(since: float, meant_s: float) -> float:
    """Return by how much (s) a sleep of `meant_s` from `since` on was too long; 0 where that is ordinary."""
    late = time.monotonic() - since - meant_s
    return late if late > LATE_S else 0.0


async def lasting(seconds: float, because: str) -> None:
    """Let time pass where its length is the test's subject, never to give something time to happen.

    `because` says what lasts so long: a fault, a silence, a state that must not change.
    """
    assert because
    await asyncio.sleep(seconds)


def wait_until_sync(condition: Callable[[], Result], timeout_s: float = PATIENCE_S, interval_s: float = 0.02) -> Result:
    """Return the condition's first true result without a loop; fail as `wait_until` does."""
    deadline = time.monotonic() + timeout_s
    latest = deadline + PATIENCE_S
    while not (result := condition()):
        slept = time.monotonic()
        if slept > deadline:
            raise AssertionError(f"not true within {timeout_s:g} s: {condition}")
        time.sleep(interval_s)
        deadline = min(deadline + stood_still(slept, interval_s), latest)
    return result


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, this test process's own until it ends.

    One that the kernel gives for the asking may be anybody's again before it is listened on.
    """
    return ports.take()


class ValkeyServer:
    """A real Valkey in a directory of its own, with Ampstream's own configuration."""

    def __init__(self, directory: Path, *, fsync: str = "always", env: dict[str, str] | None = None) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.unix_url = valkey.url(directory)
        self._fsync = fsync
        self._env = env
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; the data of an earlier start is there."""
        config = valkey.write_config(self.directory, port=self.port, fsync=self._fsync)
        with (self.directory / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(valkey.command(config), stdout=log, stderr=log, env=self._env)
        valkey.wait_ready(self.url)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.kill()


@contextlib.contextmanager
def running_valkey(
    directory: Path, *, fsync: str = "always", env: dict[str, str] | None = None
) -> Iterator[ValkeyServer]:
    """Run a Valkey for the length of the block."""
    server = ValkeyServer(directory, fsync=fsync, env=env)
    server.start()
    try:
        yield server
    finally:
        server.stop()
