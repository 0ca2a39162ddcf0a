"""Runs `ampstream ...` as a person in a terminal does: a process of its own, forked where that is possible."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from tests.support import wait_until
from tests.warm import POSSIBLE, ROOT, Warm


class Done(NamedTuple):
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """The lines of JSON that it printed."""
        return [json.loads(line) for line in self.out.splitlines()]


def _start(
    command: list[str], env: Mapping[str, str], out: IO[bytes], err: IO[bytes], cwd: Path
) -> Warm | subprocess.Popen[bytes]:
    if POSSIBLE:
        return Warm("terminal", command, env, (out.fileno(), err.fileno()), cwd)
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, cwd=cwd)


async def ampstream(*words: str, env: Mapping[str, str], cwd: Path = ROOT, timeout_s: float = 30.0) -> Done:
    """Run `ampstream words` to its end."""
    command = [sys.executable, "-m", "ampstream", *words]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = _start(command, env, out, err, cwd)
        try:
            await wait_until(lambda: process.poll() is not None, timeout_s)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(10)
        out.seek(0)
        err.seek(0)
        return Done(process.poll() or 0, out.read().decode(), err.read().decode())
