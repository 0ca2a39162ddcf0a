"""One child process of a test, run under the guard of `ampstream up`: it can't outlive the test, however that ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from ampstream.up import guard
from tests.forking import GRACE_S
from tests.support import wait_until
from tests.warm import POSSIBLE, Warm

ROOT: Final = Path(__file__).parents[3]
TAIL_BYTES: Final = 12_000


class Lifeline:
    """A pipe whose closing ends every process that was started with it."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        self.lock = os.open(os.devnull, os.O_RDWR)

    def close(self) -> None:
        """End what still runs."""
        for descriptor in (self.reader, self._writer, self.lock):
            os.close(descriptor)


class Process:
    """A command that a test starts, hurts and starts again; `pid` is that of the command itself."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str],
        log: Path,
        lifeline: Lifeline,
        *,
        role: str = "",
    ) -> None:
        """`role` says that `command` is `python -m MODULE ...` of an edge or a worker, which may be forked instead."""
        self.name = name
        self.command = list(command)
        self.environ = dict(environ)
        self.log = log
        self._lifeline = lifeline
        self._role = role if POSSIBLE else ""
        self._process: subprocess.Popen[bytes] | Warm | None = None

    @property
    def pid(self) -> int:
        """The id of the process that runs now, 0 where none does."""
        return self._process.pid if self.alive and self._process is not None else 0

    @property
    def alive(self) -> bool:
        """Whether it runs (or is stopped)."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status of the last run; negative for a signal."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the command; one that runs already is an error of the test."""
        assert not self.alive, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._process = self._forked(log) if self._role else self._executed(log)

    def _forked(self, log: IO[bytes]) -> Warm:
        descriptors = (log.fileno(), log.fileno(), self._lifeline.reader, self._lifeline.lock)
        return Warm(self._role, self.command, self.environ, descriptors)

    def _executed(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        descriptors = (self._lifeline.reader, self._lifeline.lock)
        return subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, *map(str, descriptors), str(GRACE_S), *self.command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env=self.environ,
            pass_fds=descriptors,
            start_new_session=True,
        )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.alive and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def kill(self) -> None:
        """End it as `kill -9` does, and wait for it."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10)

    def stop(self) -> None:
        """Stop it in its tracks (SIGSTOP)."""
        self.signal(signal.SIGSTOP)

    async def stopped(self, timeout_s: float = 10.0) -> None:
        """Wait until none of its threads runs: a signal to stop is obeyed a moment later."""
        await wait_until(self._stands_still, timeout_s)

    def _stands_still(self) -> bool:
        try:
            states = [path.read_text().rpartition(")")[2].split()[0] for path in self._threads()]
        except (FileNotFoundError, ProcessLookupError):  # A thread ended meanwhile.
            return False
        return set(states) <= {"T"}

    def _threads(self) -> Iterator[Path]:
        return Path(f"/proc/{self.pid}/task").glob("*/stat")

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self.signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to end in order (SIGTERM)."""
        self.signal(signal.SIGTERM)

    async def ended(self, timeout_s: float = 10.0) -> int:
        """Wait for its end and return the exit status."""
        await wait_until(lambda: not self.alive, timeout_s, 0.02)
        return self.status or 0

    def tail(self) -> str:
        """Return the end of its log."""
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            return log.read().decode("utf-8", "replace")
        return ""
