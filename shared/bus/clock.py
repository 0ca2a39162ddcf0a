"""Redis's clock: the one by which all processes go."""

from __future__ import annotations

from collections.abc import Sequence

from .lane import Lane


def ms_of(time: Sequence[bytes]) -> int:
    """Return what TIME replied (seconds, microseconds) in ms."""
    seconds, micros = time
    return int(seconds) * 1000 + int(micros) // 1000


async def now_ms(lane: Lane) -> int:
    """Return Redis's time (ms); raises `LaneLost` and ReplyError."""
    return ms_of(await lane.one("TIME"))
