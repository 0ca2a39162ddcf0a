"""Listens to the expiry of presence keys: a hint that wakes the sweep before its time.

Redis may lose these events or deliver them late, so nothing rests on them.
"""

from __future__ import annotations

import asyncio
from typing import Final

import redis.asyncio
import structlog
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

SUFFIX: Final = b":presence"
RETRY_S: Final = 2.0


async def listen(url: str, woken: asyncio.Event) -> None:
    """Set `woken` whenever a presence key expires; reconnects for ever, until cancelled."""
    while True:
        client = redis.asyncio.Redis.from_url(url, socket_keepalive=True, health_check_interval=10)
        try:
            async with client.pubsub() as channel:
                await channel.psubscribe("__keyevent@*__:expired")
                async for message in channel.listen():
                    if message["type"] == "pmessage" and message["data"].endswith(SUFFIX):
                        woken.set()
        except (RedisError, OSError) as error:
            log.info("expiry events are off", error=str(error))
        finally:
            await client.aclose()
        await asyncio.sleep(RETRY_S)
