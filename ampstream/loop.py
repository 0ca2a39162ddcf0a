"""The event loop of a process that serves: uvloop where it is installed and right, else asyncio's own."""

import asyncio
import importlib.metadata
import importlib.util
import os
import re
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final

LEAST_UVLOOP: Final = (0, 23)
"""Earlier versions could answer on the wrong socket."""
CLOSE_S: Final = 5.0


def factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the loop, or None for asyncio's own."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    version = tuple(int(part) for part in re.findall(r"\d+", importlib.metadata.version("uvloop"))[:2])
    if version < LEAST_UVLOOP:
        return None
    import uvloop

    return uvloop.new_event_loop


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end on that loop, and end the process even where the loop does not close."""
    runner = asyncio.Runner(loop_factory=factory())
    code = 1
    try:
        runner.run(main)
        code = 0
    finally:
        # uvloop's close has been seen to wait for ever, about once in a hundred ends; by now there is nothing to lose.
        guard = threading.Timer(CLOSE_S, os._exit, (code,))
        guard.daemon = True
        guard.start()
        runner.close()
        guard.cancel()
