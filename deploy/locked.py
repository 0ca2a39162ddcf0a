"""Prints the part of requirements.lock that one package needs: `python deploy/locked.py ampstream`.

For the image, which holds no tools of development. It runs before anything is installed, so it knows Python alone. The
lock says of each package who asked for it (`# via`); from `pyproject.toml` comes what the project itself asks for
outside of its extras. pip then checks every hash, and refuses where something is missing here.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==")
_VIA: Final = re.compile(r"^    # (?:via )?(?:  )?(\S+)")


def part(lock: str, project: str, name: str) -> str:
    """Return the lines of `lock` for what `name` needs; `project` is pyproject.toml's text.

    Raises `KeyError` where the lock does not hold the name.
    """
    blocks = _blocks(lock)
    about = tomllib.loads(project)["project"]
    own = name == about["name"]
    found = {_normal(re.split(r"[<>=~!;\[ ]", each)[0]) for each in (about["dependencies"] if own else [name])}
    while wanted := {each for each, block in blocks.items() if found & _asked_by(block)} - found:
        found |= wanted
    return "".join(blocks[each] for each in sorted(found))


def _blocks(lock: str) -> dict[str, str]:
    blocks: dict[str, str] = {}
    current = ""
    for line in lock.splitlines(keepends=True):
        pin = _PIN.match(line)
        if pin:
            current = _normal(pin[1])
            blocks[current] = ""
        if current:
            blocks[current] += line
    return blocks


def _asked_by(block: str) -> set[str]:
    return {_normal(match[1]) for line in block.splitlines() if (match := _VIA.match(line))}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    """Print the part that the argument names."""
    name = sys.argv[1]
    sys.stdout.write(part((ROOT / "requirements.lock").read_text(), (ROOT / "pyproject.toml").read_text(), name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
