"""CPU time and memory of a process, read from outside: /proc where there is one, `ps` elsewhere."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """What a process used up to now."""

    cpu_s: float
    rss_bytes: int


def usage_of(pid: int) -> Usage:
    """Return user and system CPU seconds of all threads, and resident memory; raises ProcessLookupError."""
    if Path("/proc/self/stat").exists():
        return _from_proc(pid)
    return _from_ps(pid)


def usages(pids: Mapping[str, int]) -> dict[str, Usage]:
    """Return the usage of several processes by name."""
    return {name: usage_of(pid) for name, pid in pids.items()}


def _from_proc(pid: int) -> Usage:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    # The name in parentheses may hold anything; fields count from 3 behind it.
    fields = text.rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))


def _from_ps(pid: int) -> Usage:
    done = subprocess.run(  # noqa: S603 - a number is all that varies
        ["/bin/ps", "-o", "time=,rss=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    parts = done.stdout.split()
    if len(parts) != 2:
        raise ProcessLookupError(pid)
    return Usage(clock_seconds(parts[0]), int(parts[1]) * 1024)


def clock_seconds(text: str) -> float:
    """Read `ps`'s time: `[[DD-]HH:]MM:SS[.ss]`."""
    days, dash, clock = text.partition("-")
    if not dash:
        days, clock = "0", text
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return int(days) * 86400 + seconds
