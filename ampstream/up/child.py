"""One supervised process: started under the guard, restarted with backoff when it dies, ended in order."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from ampstream.up import guard

BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
STABLE_S: Final = 20.0
"""A process that lived so long starts its backoff anew."""
TROUBLE: Final = 3
"""Deaths in a row after which the last lines of the log are shown."""
MAX_LOG_BYTES: Final = 20 * 1024 * 1024


class Spec(msgspec.Struct, frozen=True):
    """What a child is: its command line, its variables and how to tell that it serves."""

    name: str
    command: tuple[str, ...]
    log: Path
    environ: dict[str, str]
    probe: Callable[[], Awaitable[str]]
    """Returns why the process does not serve yet; empty when it does."""
    urls: tuple[tuple[str, str], ...] = ()
    """What people may reach there: label and URL."""
    stop_s: float = 10.0
    """How long an orderly end may take before SIGKILL."""


class Child:
    """Keeps one process running until `stop`."""

    def __init__(self, spec: Spec, life: int, lock: int, tell: Callable[[str], None]) -> None:
        """`life` and `lock` are the descriptors for the guard; `tell` shows a line to the person."""
        self.spec = spec
        self.restarts = 0
        self.state = "starting"
        self._life = life
        self._lock = lock
        self._tell = tell
        self._process: asyncio.subprocess.Process | None = None
        self._stop_asked = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process that runs now."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def start(self) -> None:
        """Begin to keep the process running."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.spec.name}")

    async def wait_ready(self, timeout_s: float) -> str:
        """Wait until the process serves; returns the reason where it does not in time, else an empty text."""
        deadline = time.monotonic() + timeout_s
        while reason := await self.look():
            if time.monotonic() > deadline:
                return reason
            await asyncio.sleep(0.05)
        return ""

    async def look(self) -> str:
        """Ask the process whether it serves, remember the answer, and return why not (empty: it does)."""
        if self.pid is None:
            reason = "not running"
        else:
            try:
                reason = await asyncio.wait_for(self.spec.probe(), 2.0)
            except TimeoutError:
                reason = "does not answer"
        if not self._stop_asked.is_set():
            self.state = reason or "ready"
        return reason

    async def stop(self, *, at_once: asyncio.Event) -> None:
        """End the process in order and wait; `at_once` or its time's end turns that into SIGKILL."""
        self._stop_asked.set()
        self.state = "stopping"
        if self._keeper is None:
            return
        self._signal(signal.SIGTERM)
        hurry = asyncio.create_task(at_once.wait())
        await asyncio.wait({self._keeper, hurry}, timeout=self.spec.stop_s, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not self._keeper.done():
            if not at_once.is_set():
                self._tell(f"{self.spec.name} did not end within {self.spec.stop_s:g} s: killed")
            self._signal(signal.SIGKILL)
        await self._keeper
        self.state = "ended"

    def last_lines(self, count: int = 15) -> list[str]:
        """Return the end of the process's log."""
        try:
            with self.spec.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 16384))
                return log.read().decode("utf-8", "replace").splitlines()[-count:]
        except OSError:
            return []

    def trim_log(self) -> None:
        """Move a log that grew too large aside; the process goes on appending to the same, now empty file."""
        with contextlib.suppress(OSError):
            if self.spec.log.stat().st_size > MAX_LOG_BYTES:
                shutil.copyfile(self.spec.log, self.spec.log.with_suffix(".log.1"))
                os.truncate(self.spec.log, 0)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _keep(self) -> None:
        failures = 0
        while not self._stop_asked.is_set():
            started = time.monotonic()
            status = await self._run_once()
            if self._stop_asked.is_set():
                return
            failures = 1 if time.monotonic() - started > STABLE_S else failures + 1
            self.restarts += 1
            self.state = "restarting"
            pause = BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]
            self._tell(f"{self.spec.name} ended ({describe(status)}); starting it again in {pause:g} s")
            if failures == TROUBLE:
                self._tell(
                    "\n".join([f"the last lines of {self.spec.log}:", *(f"  {line}" for line in self.last_lines())])
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop_asked.wait(), pause)

    async def _run_once(self) -> int:
        self.trim_log()
        with self.spec.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches `up` alone, which then ends the others in order.
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", guard.__file__),
                *(str(self._life), str(self._lock), str(self.spec.stop_s), *self.spec.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.spec.environ,
                pass_fds=(self._life, self._lock),
                start_new_session=True,
            )
        if self._stop_asked.is_set():
            self._signal(signal.SIGTERM)
        return await self._process.wait()


def describe(status: int) -> str:
    """Return an exit status in words."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"
