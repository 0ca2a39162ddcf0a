"""Pictures, one at a time in a thread of their own: the event loop carries stations' frames.

The thread is made, and Pillow is imported, when the first chart is asked for: a process that draws none pays nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, Literal

from .chart import Chart
from .layout import page

Format = Literal["svg", "png"]
MEDIA: Final[dict[Format, str]] = {"svg": "image/svg+xml", "png": "image/png"}


@cache
def _pen() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "charts")


async def picture(make: Callable[[], Chart], wanted: Format) -> bytes:
    """Return the chart that `make` gives as a file; `make` runs in the thread too."""
    return await asyncio.get_running_loop().run_in_executor(_pen(), lambda: render(make(), wanted))


def render(chart: Chart, wanted: Format) -> bytes:
    """Draw a chart."""
    if wanted == "svg":
        from .svg import render as drawn
    else:
        from .png import render as drawn
    return drawn(page(chart))
