"""The first operator's token: made once, kept in a file that only its owner reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from shared.bus.lane import Lane
from shared.records.queries import tokens
from shared.records.tokens import digest

NAME: Final = "operator"


async def ensure(redis_url: str, path: Path | str) -> str:
    """Return the admin token in the file `path`; make one where the file, or the token it holds, is missing.

    The file is written whole with mode 0600. Raises `LaneLost` where Redis can't be reached, `OSError` where the file
    can't be written.
    """
    path = Path(path)
    lane = await Lane.open(redis_url, name="operator-token")
    try:
        found = _read(path)
        known = await tokens.token(lane, digest(found)) if found else None
        if known is not None and known.scope == "admin" and not known.expires_at:
            return found
        made, _ = await tokens.create(lane, NAME, "admin")
        _write(path, made)
        return made
    finally:
        await lane.close()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _write(path: Path, token: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
