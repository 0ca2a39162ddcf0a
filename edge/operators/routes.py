"""The table of routes: each declares once what it takes, gives and needs, and serving, checks and OpenAPI follow."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from edge.operators.call import Call, Handler
from shared.records.tokens import Scope

PREFIX: Final = "/api/v1"
PLACE: Final = re.compile(r"{(\w+)}")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Nothing(msgspec.Struct, frozen=True):
    """The parameters of a route that has none."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One operation. `errors` names the kinds of `problems.KINDS` beside those that every route may have."""

    section: str
    method: Method
    path: str
    handler: Handler
    summary: str
    scope: Scope
    params: type = Nothing
    """Struct of path and query parameters; those named in `path` are path parameters."""
    body: Any = None
    """Struct of a JSON body; None: no body."""
    body_media: str = "application/json"
    """Anything else is read by the handler itself, as a stream."""
    response: Any = None
    """Type of a JSON answer; None: 204, or what `media` says."""
    media: tuple[str, ...] = ()
    """Further media types that the answer may have."""
    status: int = 200
    also: tuple[int, ...] = ()
    """Further statuses with the same answer."""
    errors: tuple[str, ...] = ()

    @property
    def reads(self) -> bool:
        """Whether it changes nothing; everything else stands in the audit log."""
        return self.method == "GET"

    @property
    def places(self) -> frozenset[str]:
        """The names of its path parameters."""
        return frozenset(PLACE.findall(self.path))

    @property
    def description(self) -> str:
        """What the handler's docstring says."""
        return inspect.getdoc(self.handler) or ""


class Table:
    """The routes of one section, filled by its decorator."""

    def __init__(self, section: str) -> None:
        self.section = section
        self.routes: list[Route] = []

    def route(
        self, method: Method, path: str, summary: str, *, scope: Scope, **more: Any
    ) -> Callable[[Callable[[Call[Any, Any]], Any]], Callable[[Call[Any, Any]], Any]]:
        """Declare the decorated handler as the operation `method path`; `more` are fields of `Route`."""

        def declare(handler: Callable[[Call[Any, Any]], Any]) -> Callable[[Call[Any, Any]], Any]:
            self.routes.append(
                Route(
                    section=self.section,
                    method=method,
                    path=PREFIX + path,
                    handler=handler,
                    summary=summary,
                    scope=scope,
                    **more,
                )
            )
            return handler

        return declare
