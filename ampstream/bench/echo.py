"""The yardstick: a bare aiohttp WebSocket server that sends every text back, in a process of its own.

python -m ampstream.bench.echo        prints its port, then serves until its standard input ends
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from aiohttp import WSMsgType, web

from ampstream import loop


class Echo:
    """A running echo process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.pid = process.pid
        self.url = f"ws://127.0.0.1:{port}/ocpp"


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Echo]:
    """Run the echo for the length of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ampstream.bench.echo", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(20):
            port = int(await process.stdout.readline())
        yield Echo(process, port)
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(protocols=("ocpp1.6",), compress=False, heartbeat=None)
    with contextlib.suppress(ConnectionError):
        await ws.prepare(request)
        async for message in ws:
            if message.type == WSMsgType.TEXT:
                await ws.send_str(message.data)
    return ws


async def _serve() -> None:
    app = web.Application()
    app.router.add_get("/ocpp/{station}", _echo)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    # The parent's end of the pipe closes however it dies.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    loop.run(_serve())
