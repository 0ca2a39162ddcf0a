"""Points of a site's rounds, for workers: `round_decided` (nothing written yet), `round_ended` (all of it written).

The data that a point is matched with is the site's name.
"""

from __future__ import annotations

from typing import Any

from tests.chaos.harness.points import passing
from workers.jobs.sites.runner import Runner


def apply() -> None:
    """Wrap the end of a round."""
    end, keep = Runner._end, Runner._keep

    async def before(self: Runner, held: Any, found: Any) -> str:
        if found.asks:
            passing("round_decided", held.site.name.encode())
        return await end(self, held, found)

    async def after(self: Runner, site: Any, state: Any) -> None:
        passing("round_ended", site.name.encode())
        await keep(self, site, state)

    Runner._end = before  # type: ignore[method-assign]
    Runner._keep = after  # type: ignore[method-assign]
