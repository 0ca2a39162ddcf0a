"""An orderly end: no station is let in, answers are finished, sockets close in waves, and the workers are told.

Closing all at once would make a reconnect storm of it; each session gets a moment of its own in the first part of the
time, and one with a CALL in flight closes when that is answered.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final

from edge.stations.session import TRY_AGAIN, Session
from shared import metrics
from shared.logs import get_logger

if TYPE_CHECKING:
    from edge.stations.hub import Hub

WAVES_SHARE: Final = 0.7
"""The part of the time in which sessions are closed; the rest is for answers that are still due."""
STEP_S: Final = 0.05
GOODBYE_S: Final = 1.0
"""How long stations may take to answer the last close frames."""

_log = get_logger("edge.drain")


async def drain(hub: Hub, limit_s: float, hurry: asyncio.Event) -> None:
    """Close every session within `limit_s`, those with a CALL in flight after its answer; all at once on `hurry`."""
    metrics.EDGE_DRAINING.labels().set(1)
    begun = hub.monotonic()
    _log.info("draining", sessions=len(hub.sessions), limit_s=limit_s)
    moments = sorted(
        ((random.uniform(0, limit_s * WAVES_SHARE), session) for session in hub.sessions.values()),
        key=lambda pair: pair[0],
        reverse=True,
    )
    while hub.sessions and not hurry.is_set() and (spent := hub.monotonic() - begun) < limit_s:
        while moments and moments[-1][0] <= spent:
            _finish(moments.pop()[1])
        await hub.node.clock.sleep(STEP_S)
    for session in list(hub.sessions.values()):
        session.close(TRY_AGAIN, "restarting", "drain")
    await _wait_for_goodbyes(hub)
    _log.info("drained", seconds=round(hub.monotonic() - begun, 1))


def _finish(session: Session) -> None:
    if session.in_flight:
        session.finishing = True
    else:
        session.close(TRY_AGAIN, "restarting", "drain")


async def _wait_for_goodbyes(hub: Hub) -> None:
    until = hub.monotonic() + GOODBYE_S
    while hub.everywhere and hub.monotonic() < until:
        await hub.node.clock.sleep(STEP_S)
