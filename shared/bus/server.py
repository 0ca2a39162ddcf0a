"""Asks a Redis what it is, and whether it may be trusted: at start, and again whenever its run id or role changed."""

from __future__ import annotations

from typing import Any

import hiredis
import msgspec

from shared import durability
from shared.settings import Settings

from . import schema
from .lane import Lane


class Unfit(RuntimeError):
    """The server would lose what it was told, or holds what this code can't read; says what and how to mend it."""

    def __init__(self, problems: list[durability.Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class Server(msgspec.Struct, frozen=True):
    """Who answers: a new run id or another role is another server."""

    name: str
    run_id: str
    role: str


def parse_info(text: bytes) -> dict[str, str]:
    """Read the answer to INFO into a dict."""
    lines = text.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


async def inspect(lane: Lane) -> tuple[dict[str, str], dict[str, str]]:
    """Return INFO (all sections) and the configuration that durability rests on; an unreadable key is missing."""
    info, *found = await lane.execute(
        [("INFO",), *(("CONFIG", "GET", key) for key in durability.CONFIG_KEYS)],
    )
    if isinstance(info, hiredis.ReplyError):
        raise info
    config = [_pairs(reply) for reply in found if not isinstance(reply, hiredis.ReplyError)]
    return parse_info(info), {key: value for pairs in config for key, value in pairs.items()}


async def verify(lane: Lane, settings: Settings) -> Server:
    """Return who answers, or raise `Unfit` where it must not be trusted, `LaneLost` where nobody answers."""
    info, config = await inspect(lane)
    problems = durability.check(info, config, replica_barrier=settings.replica_barrier)
    blocking = durability.blocking(problems, require_durable=settings.require_durable)
    if blocking:
        raise Unfit(blocking)
    if problem := schema.too_new(await schema.stored(lane)):
        raise Unfit([problem])
    return Server(durability.server_name(info), info.get("run_id", ""), info.get("role", ""))


def _pairs(reply: Any) -> dict[str, str]:
    texts = [part.decode(errors="replace") for part in reply]
    return dict(zip(texts[::2], texts[1::2], strict=True))
