"""Writes `deploy/valkey/users.acl` and `deploy/kubernetes/*.yaml`, or with `--check` says which are stale.

python -m deploy            all of them
python -m deploy --check    exit 1 and name what differs
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from deploy import roles
from deploy.manifests import output

FOLDER: Final = Path(__file__).resolve().parent


def texts() -> dict[Path, str]:
    """Return every file that is made, and its text."""
    manifests = {FOLDER / "kubernetes" / name: text for name, text in output.texts().items()}
    return {FOLDER / "valkey" / "users.acl": roles.acl(), **manifests}


def main(arguments: list[str] | None = None) -> int:
    """Write or check; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy", description="Write the files of the deployment.")
    parser.add_argument("--check", action="store_true", help="write nothing, name what is stale")
    check: bool = parser.parse_args(arguments).check
    wanted = texts()
    made = {*FOLDER.glob("kubernetes/*.yaml"), *wanted}
    present = {path: path.read_text(encoding="utf-8") for path in made if path.exists()}
    stale = sorted({path for path in made if wanted.get(path) != present.get(path)})
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


if __name__ == "__main__":
    sys.exit(main())
