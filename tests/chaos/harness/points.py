"""Places in a process where it kills or stops itself, so that a fault hits an exact moment.

A test arms a point by writing a file; the launched process looks for that file whenever it comes by. The first process
that does so with matching data takes the file by renaming it, so that a point fires once, and its name tells whom it
hit. Nothing here is known to the product: launchers under `tests/chaos/launchers` wrap its functions.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final, Literal

import msgspec

DIRECTORY: Final = "CHAOS_POINTS"
"""Environment variable: where points are armed."""
Action = Literal["kill", "stop", "note"]


class Armed(msgspec.Struct, frozen=True):
    """What a point does to whom: all `texts` must occur in the data that passes."""

    action: Action
    texts: tuple[str, ...] = ()

    def matches(self, data: bytes) -> bool:
        """Tell whether this data is meant."""
        return all(text.encode() in data for text in self.texts)


def arm(directory: Path, point: str, action: Action, *texts: str) -> None:
    """Let the next process that passes `point` with all `texts` in its data be hit."""
    made = directory / f".{point}"
    made.write_bytes(msgspec.json.encode(Armed(action, texts)))
    made.rename(directory / point)


def hit(directory: Path, point: str) -> int:
    """Return the id of the process that `point` hit, 0 where it did not fire yet; forgets it."""
    for found in directory.glob(f"{point}.*"):
        found.unlink()
        return int(found.suffix[1:])
    return 0


def passing(point: str, data: bytes) -> bool:
    """Come by a point; returns True where it fired and the process lives (again)."""
    path = Path(os.environ[DIRECTORY]) / point
    try:
        armed = msgspec.json.decode(path.read_bytes(), type=Armed)
        if not armed.matches(data):
            return False
        path.rename(path.with_name(f"{point}.{os.getpid()}"))
    except FileNotFoundError:
        return False
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif armed.action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    return True
