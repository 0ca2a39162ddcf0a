"""Writes `deploy/valkey/users.acl` and `deploy/kubernetes/**/*.yaml`, or with `--check` says which are stale.

python -m deploy            all of them
python -m deploy --check    exit 1 and name what differs
"""

import sys
from pathlib import Path
from typing import Final

from deploy import roles
from deploy.manifests import output
from tools import writing

FOLDER: Final = Path(__file__).resolve().parent


def texts() -> dict[Path, str]:
    """Return every file that is made, and its text."""
    manifests = {FOLDER / "kubernetes" / name: text for name, text in output.texts().items()}
    return {FOLDER / "valkey" / "users.acl": roles.acl(), **manifests}


def main(arguments: list[str] | None = None) -> int:
    """Write or check; returns the exit status."""
    return writing.main(
        "python -m deploy",
        "Write the files of the deployment.",
        texts(),
        FOLDER.glob("kubernetes/**/*.yaml"),
        arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
