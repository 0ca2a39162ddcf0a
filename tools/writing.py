"""Writes files that are made from code, or says which are stale: what every generator's command does."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path


def main(
    prog: str, about: str, wanted: Mapping[Path, str], present: Iterable[Path], arguments: list[str] | None
) -> int:
    """Write or, with `--check`, check; returns the exit status.

    `wanted` are all files and their texts, `present` those that were made before: one that is not wanted any more goes.
    """
    parser = argparse.ArgumentParser(prog=prog, description=about)
    parser.add_argument("--check", action="store_true", help="write nothing, name what is stale")
    check: bool = parser.parse_args(arguments).check
    made = {*present, *wanted}
    texts = {path: path.read_text(encoding="utf-8") for path in made if path.exists()}
    stale = sorted(path for path in made if wanted.get(path) != texts.get(path))
    for path in stale:
        print(f"{path.name} is stale: run `make generate`" if check else f"wrote {path.name}")
        if not check:
            _refresh(path, wanted.get(path))
    return 1 if check and stale else 0


def _refresh(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
