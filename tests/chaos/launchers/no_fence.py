"""Takes the fence out: a commit no longer asks whether its CALL was committed before."""

from shared.bus.scripts import COMMIT
from tests.chaos.launchers.scripts import cut


def apply() -> None:
    """Change the commit script."""
    cut(COMMIT, "if fence_field ~= '' then", "    if box then return box end\n  end\n")
