"""Writes `grafana/dashboards/*.json`, or with `--check` says which are stale.

python -m grafana            all of them
python -m grafana --check    exit 1 and name what differs
"""

import json
import sys
from pathlib import Path
from typing import Final

from grafana.boards import BOARDS
from tools import writing

FOLDER: Final = Path(__file__).resolve().parent / "dashboards"


def texts() -> dict[Path, str]:
    """Return every dashboard's file and text."""
    return {
        FOLDER / f"{board.uid}.json": json.dumps(board.build(), indent=1, ensure_ascii=False) + "\n" for board in BOARDS
    }


def main(arguments: list[str] | None = None) -> int:
    """Write or check; returns the exit status."""
    return writing.main("python -m grafana", "Write the dashboards.", texts(), FOLDER.glob("*.json"), arguments)


if __name__ == "__main__":
    sys.exit(main())
