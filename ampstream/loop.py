"""The event loop of a process that serves: uvloop where it is installed and right, else asyncio's own."""

import asyncio
import importlib.metadata
import importlib.util
import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

LEAST_UVLOOP: Final = (0, 23)
"""Earlier versions could answer on the wrong socket."""


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
    """Run `main` to its end on that loop."""
    with asyncio.Runner(loop_factory=factory()) as runner:
        runner.run(main)
