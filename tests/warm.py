"""Processes that start warm: forked from one that has imported everything (`tests.forking`).

Most of a second of CPU less each, and the tests start hundreds. The system that the tests of `tests/e2e` share is
started by the true command lines, and what `ampstream up` starts is too.
"""

from __future__ import annotations

import atexit
import functools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.forking import LIMIT, Look, Start

ROOT: Final = Path(__file__).parents[1]
POSSIBLE: Final = sys.platform == "linux"
LOOK_S: Final = 0.01


class Forge:
    """One process of a role that waits to be forked, and the line to it."""

    def __init__(self, role: str) -> None:
        """Start it; the first order waits until it has imported what it needs."""
        self._one_at_a_time = threading.Lock()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._command = [sys.executable, "-m", "tests.forking", role, str(theirs.fileno())]
            descriptors = (theirs.fileno(),)
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, cwd=ROOT, pass_fds=descriptors, start_new_session=True
            )
        atexit.register(self._end)

    def _end(self) -> None:
        self._line.close()
        self._process.wait(10)

    def ask(self, order: Start | Look, descriptors: Sequence[int] = ()) -> Any:
        """Give an order and return the answer."""
        try:
            with self._one_at_a_time:
                socket.send_fds(self._line, [msgspec.msgpack.encode(order)], descriptors)
                answer = self._line.recv(LIMIT)
        except ConnectionError:
            answer = b""
        if not answer:
            raise RuntimeError(f"{' '.join(self._command)} ended with {self._process.wait(10)}: see standard error")
        return msgspec.msgpack.decode(answer)


@functools.cache
def forge(role: str) -> Forge:
    """Return this test process's forge of a role, started when it is first asked for."""
    return Forge(role)


class Warm:
    """A forked process, with what the tests use of `subprocess.Popen`."""

    def __init__(
        self,
        role: str,
        command: Sequence[str],
        environ: Mapping[str, str],
        descriptors: Sequence[int],
        cwd: Path = ROOT,
    ) -> None:
        """Fork it; `command` is `python -m MODULE ARGUMENTS...`.

        `descriptors` are its standard output and errors and, where it is guarded, the pipe and the lock of its guard.
        """
        self._forge = forge(role)
        self._status: int | None = None
        order = Start(command[2], list(command[3:]), dict(environ), str(cwd))
        self.pid: int = self._forge.ask(order, descriptors)

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""
        if self._status is None:
            self._status = self._forge.ask(Look(self.pid))
        return self._status

    def wait(self, timeout: float) -> int:
        """Return the exit status once there is one; raises `subprocess.TimeoutExpired`."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(LOOK_S)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to a process whose end nobody has seen yet, so that the id is still its own."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.send_signal(signal.SIGKILL)
