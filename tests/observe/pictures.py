"""The dashboards as pictures, drawn by Grafana's own components in headless Chromium (`tools/pictures`)."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.grafana.reading import ROOT, dashboards
from tests.observe import questions

FOLDER: Final = ROOT / "docs" / "pictures"
TOOL: Final = ROOT / "tools" / "pictures"
ALARM: Final = "-alarm"
"""Ends the name of the picture that was taken while something was wrong."""
_NEEDS: Final = {
    "node": "Node.js 20.19 or newer: https://nodejs.org",
    "npm": "npm, which comes with Node.js",
    "chromium": "Chromium; on Debian: apt-get install --no-install-recommends chromium",
}
_LIMIT_S: Final = 600.0


class CannotDraw(Exception):
    """A tool is missing, or drawing failed; the text says which, and what to do."""


def chromium() -> str:
    """Return Chromium's path; `CHROMIUM` in the environment may say where it is."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""


def check() -> None:
    """Raise `CannotDraw` where a tool is missing."""
    found = {"node": shutil.which("node"), "npm": shutil.which("npm"), "chromium": chromium()}
    missing = [_NEEDS[name] for name, path in found.items() if not path]
    if missing:
        raise CannotDraw("pictures need " + "; ".join(missing))


async def build() -> None:
    """Install the locked packages where they are not, and build the page."""
    if not (TOOL / "node_modules" / ".package-lock.json").exists():
        await _run("npm", "ci")
    await _run("npm", "run", "--silent", "build")


async def draw(prometheus: str, end: float, span_s: float, folder: Path = FOLDER, alarm_at: float = 0) -> None:
    """Draw every dashboard as it was at `end` (Unix time), and the first once more as it was at `alarm_at`.

    Raises `CannotDraw` for a panel without data.
    """
    boards = sorted(dashboards())
    await _draw(boards, prometheus, end, span_s, folder)
    if alarm_at:
        await _draw(["ampstream-fleet"], prometheus, alarm_at, alarm_at - (end - span_s), folder, f"--name={ALARM}")


async def _draw(boards: Sequence[str], prometheus: str, end: float, span_s: float, folder: Path, *more: str) -> None:
    """Draw some of them."""
    line = ["node", "draw.mjs", "--prometheus", prometheus, "--end", f"{end:.0f}", "--span", f"{span_s:.0f}"]
    await _run(*line, "--window", questions.WINDOW, "--out", str(folder), "--chromium", chromium(), *more, *boards)


async def _run(*line: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *line, cwd=TOOL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(_LIMIT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise CannotDraw(f"{' '.join(line)} took longer than {_LIMIT_S:g} s") from None
    if process.returncode:
        raise CannotDraw(f"{' '.join(line)}:\n{output.decode(errors='replace')}")
