"""The first operator's token: made once, kept in a file that only its owner reads."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from pathlib import Path
from typing import Final

from shared.bus.lane import Lane
from shared.records.audit import Actor, Entry
from shared.records.queries import tokens
from shared.records.queries.audit import AuditLog
from shared.records.tokens import Token, digest, id_of

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
        made, record = await tokens.create(lane, NAME, "admin")
        await _note(lane, id_of(digest(made)), record)
        _write(path, made)
        return made
    finally:
        await lane.close()


async def _note(lane: Lane, token_id: str, record: Token) -> None:
    """Write into the audit log who made it; a token that can't be noted is not handed out."""
    details = {"name": record.name, "scope": record.scope, "host": socket.gethostname()}
    entry = Entry(seq=0, at=0, phase="noted", action="create_token", who=local_user(), result=token_id, details=details)
    try:
        await AuditLog(lane).append(entry)
    except BaseException:
        await tokens.discard(lane, token_id)
        raise


def local_user() -> Actor:
    """Return who runs this command, as this machine knows them."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # A container's user may have no name.
        name = str(os.getuid())
    return Actor(kind="local", name=name[:64])


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
