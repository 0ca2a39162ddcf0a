"""The loop of a process that serves."""

import subprocess
import sys
import time

STUCK = """
import asyncio, time
from ampstream import loop

class Stuck(asyncio.SelectorEventLoop):
    def close(self):
        time.sleep(60)

loop.factory = lambda: Stuck
loop.CLOSE_S = 0.2

async def main():
    {body}

loop.run(main())
"""


def end_of(body: str) -> tuple[int, float]:
    """Return the exit code of a process whose loop does not close, and how long it took."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", STUCK.format(body=body)], check=False, timeout=50, stderr=subprocess.DEVNULL
    )
    return done.returncode, time.monotonic() - begun


def test_process_ends_although_its_loop_does_not_close() -> None:
    """A process that has served is gone soon, whatever its loop does on the way out."""
    code, took = end_of("pass")
    assert code == 0
    assert took < 30


def test_failure_stays_a_failure() -> None:
    """What went wrong is told by the exit code, also where the loop does not close."""
    code, _ = end_of("raise RuntimeError('no')")
    assert code == 1
