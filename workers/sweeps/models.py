"""What operators say of models and what probes have shown, brought into this process: each frame looks at rules."""

from __future__ import annotations

from shared.bus.lane import Lane
from shared.records.queries import models, probes
from workers.services import quirks


async def refresh(lane: Lane) -> None:
    """Let the operators' overrides hold, and what probes have shown; raises `LaneLost` and ReplyError."""
    quirks.install(of_models=await models.overrides(lane))
    quirks.learned(await probes.abilities(lane))
