"""Where the system's files are: how long a sync takes there, and that it is a disk at all."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

_ROUNDS: Final = 200
_IN_MEMORY: Final = frozenset(("tmpfs", "ramfs", "devtmpfs"))
_MOUNTS: Final = Path("/proc/mounts")


class NotADisk(ValueError):
    """The directory is in memory: figures with fsync would be false there."""


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """A file system, and what a sync of a short append costs there."""

    filesystem: str
    sync_p50_ms: float
    sync_p99_ms: float


def measure(directory: Path) -> Disk:
    """Time the sync of short appends in `directory`; raises `NotADisk`, OSError."""
    filesystem = filesystem_of(directory)
    if filesystem in _IN_MEMORY:
        raise NotADisk(f"{directory} is on {filesystem}; choose a directory on a disk with --data")
    sync = getattr(os, "fdatasync", os.fsync)
    times = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(_ROUNDS):
            os.write(file.fileno(), b"x" * 512)
            begun = time.perf_counter()
            sync(file.fileno())
            times.append((time.perf_counter() - begun) * 1000)
    times.sort()
    return Disk(
        filesystem=filesystem,
        sync_p50_ms=round(statistics.median(times), 3),
        sync_p99_ms=round(times[int(len(times) * 0.99)], 3),
    )


def filesystem_of(directory: Path) -> str:
    """Return the type of the file system that holds `directory`, `unknown` where the system does not tell."""
    if not _MOUNTS.exists():
        return "unknown"
    resolved = directory.resolve()
    best, kind = -1, "unknown"
    for line in _MOUNTS.read_text().splitlines():
        _, point, filesystem, *_ = line.split(" ")
        mount = Path(point.replace("\\040", " "))
        # Of two mounts on one point the later one is seen.
        if (resolved == mount or mount in resolved.parents) and len(mount.parts) >= best:
            best, kind = len(mount.parts), filesystem
    return kind
