"""Listens to the expiry of presence keys: a hint that wakes the sweep before its time.

Redis may lose these events or deliver them late, so nothing rests on them.
"""

from __future__ import annotations

import asyncio
from typing import Final

import redis.asyncio
from redis.exceptions import RedisError

from shared.bus.lane import Address
from shared.logs import get_logger

log = get_logger(__name__)

PREFIX: Final = b"s:{"
SUFFIX: Final = b"}:presence"
RETRY_S: Final = 2.0
SETTLE_S: Final = 0.05
"""A key runs out a moment before its deadline is due, and many run out together."""
MAX_NAMES: Final = 100_000


class Expiries:
    """What was heard: `woken` is set by each event, `take` returns the stations of the last two rounds."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self._stations: set[str] = set()
        self._before: set[str] = set()

    def heard(self, key: bytes) -> None:
        """Take in that a key expired."""
        if key.startswith(PREFIX) and key.endswith(SUFFIX):
            if len(self._stations) < MAX_NAMES:
                self._stations.add(key[len(PREFIX) : -len(SUFFIX)].decode())
            self.woken.set()

    async def wait(self, seconds: float) -> None:
        """Return after so long, or a moment after the next event."""
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
                await asyncio.sleep(SETTLE_S)
        except TimeoutError:
            pass
        self.woken.clear()

    def take(self) -> set[str]:
        """Return the stations whose keys expired lately: a deadline may be due one round after its key's event."""
        found = self._stations | self._before
        self._before, self._stations = self._stations, set()
        return found


async def listen(url: str, expiries: Expiries) -> None:
    """Tell `expiries` of each presence key that expires; reconnects for ever, until cancelled."""
    address = Address.parse(url)
    channel_name = f"__keyevent@{address.database}__:expired"
    while True:
        client = redis.asyncio.Redis.from_url(url, **address.keepalive, health_check_interval=10)
        try:
            async with client.pubsub() as channel:
                await channel.subscribe(channel_name)
                async for message in channel.listen():
                    if message["type"] == "message":
                        expiries.heard(message["data"])
        except (RedisError, OSError) as error:
            log.info("expiry events are off", error=str(error))
        finally:
            await client.aclose()
        await asyncio.sleep(RETRY_S)
