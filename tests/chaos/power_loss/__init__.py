"""Power loss without pulling a plug: `shim.c` notes what was synced, `cut` takes the rest away.

shim.c    preloaded into Valkey: beside each append-only file, how many of its bytes are on disk
build()   compiles it
synced()  the length that is on disk of an append-only file
cut()     cuts every append-only file back to it
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("shim.c")
SUFFIX: Final = ".synced"


def build(directory: Path) -> Path:
    """Compile the shim and return its path; fails with what to install where there is no C compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    assert compiler is not None, (
        "the power-loss test needs a C compiler: on Debian `apt-get install gcc libc6-dev` (`.ci/run` does that)"
    )
    made = directory / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(made), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stderr}"
    return made


def logs(data: Path) -> list[Path]:
    """Return the append-only files of a Valkey's directory that grow."""
    return sorted((data / "appendonlydir").glob("*.incr.aof"))


def synced(path: Path) -> int:
    """Return how many bytes of a file are on disk."""
    note = path.with_name(path.name + SUFFIX)
    return int(note.read_text()) if note.exists() else 0


def cut(data: Path) -> int:
    """Take away what was never synced; returns how many bytes that were."""
    lost = 0
    for path in logs(data):
        length = path.stat().st_size
        kept = min(synced(path), length)
        os.truncate(path, kept)
        lost += length - kept
    return lost
