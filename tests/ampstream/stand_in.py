"""Runs `ampstream up`'s supervisor over a real Valkey and a process that only waits; a test kills it in every way.

python -m tests.ampstream.stand_in DATA
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from ampstream.up import lock, valkey
from ampstream.up.child import Spec
from ampstream.up.plan import Plan, redis_probe
from ampstream.up.supervisor import Supervisor, signals


async def _running() -> str:
    return ""


def plan(data: Path) -> Plan:
    """Return a stage of Valkey and one of a process that waits."""
    directory = data / "redis"
    config = valkey.write_config(directory)
    url = valkey.url(directory)
    environ = dict(os.environ)
    server = Spec("valkey", tuple(valkey.command(config)), data / "valkey.log", environ, redis_probe(url))
    waiter = Spec("waiter", (sys.executable, "-c", "import time; time.sleep(600)"), data / "w.log", environ, _running)
    return Plan(redis_url=url, embedded=True, stages=((server,), (waiter,)), ports=(), operator_url="")


async def main(data: Path, descriptor: int) -> None:
    """Supervise until told to stop."""
    stop = asyncio.Event()
    supervisor = Supervisor(plan(data), data, descriptor, print)
    with signals(stop, supervisor.hurry):
        try:
            await supervisor.start(stop)
            async for _ in supervisor.watch(stop):
                pass
        finally:
            await supervisor.stop()


if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        where = Path(sys.argv[1])
        asyncio.run(main(where, stack.enter_context(lock.data_directory(where))))
