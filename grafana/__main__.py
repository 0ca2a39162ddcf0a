"""Writes `grafana/dashboards/*.json`, or with `--check` says which are stale.

python -m grafana            all of them
python -m grafana --check    exit 1 and name what differs
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from grafana.boards import BOARDS

FOLDER: Final = Path(__file__).resolve().parent / "dashboards"


def texts() -> dict[Path, str]:
    """Return every dashboard's file and text."""
    return {
        FOLDER / f"{board.uid}.json": json.dumps(board.build(), indent=1, ensure_ascii=False) + "\n" for board in BOARDS
    }


def main(arguments: list[str] | None = None) -> int:
    """Write or check; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m grafana", description="Write the dashboards.")
    parser.add_argument("--check", action="store_true", help="write nothing, name what is stale")
    check: bool = parser.parse_args(arguments).check
    wanted = texts()
    present = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    for path in sorted({path for path in wanted.keys() | present.keys() if wanted.get(path) != present.get(path)}):
        print(f"{path.name} is stale: run `make generate`" if check else f"wrote {path.name}")
        if not check:
            _refresh(path, wanted.get(path))
    return 1 if check and wanted != present else 0


def _refresh(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
