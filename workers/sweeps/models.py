"""What operators say of models, brought into this process: quirk rules are looked at with every frame."""

from __future__ import annotations

from shared.bus.lane import Lane
from shared.records.queries import models
from workers.services import quirks


async def refresh(lane: Lane) -> None:
    """Let the operators' overrides hold; raises `LaneLost` and ReplyError."""
    quirks.install(of_models=await models.overrides(lane))
