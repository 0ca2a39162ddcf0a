"""Takes the limit of a connection's first request out: who sends its headers drop by drop keeps its socket."""

from __future__ import annotations

from typing import Any

from aiohttp import web


def apply() -> None:
    """Let every server wait for an hour."""
    ordinary = web.Server.__init__

    def init(self: web.Server, *args: Any, **more: Any) -> None:
        ordinary(self, *args, **more | {"keepalive_timeout": 3600.0})

    web.Server.__init__ = init  # type: ignore[method-assign]
