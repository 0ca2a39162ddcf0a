"""An aiohttp application that a test serves on a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def serving(app: web.Application, *, handler_cancellation: bool = False) -> AsyncIterator[int]:
    """Serve for the length of the block on 127.0.0.1; yields the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=handler_cancellation)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
