"""What a handler gets: the request, checked and parsed, and the parts of the listener that it may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Protocol, TypeVar

from aiohttp import web

from edge.operators.access import Access
from edge.operators.feed import EventFeed
from shared.bus.lane import Lane
from shared.envelopes import Reply
from shared.records.queries.summary import Tally
from shared.records.requests import Request
from shared.records.tokens import Token
from shared.settings import Settings
from shared.tracing import Tracer

P = TypeVar("P")
B = TypeVar("B")


class OperatorsNode(Protocol):
    """What the listener needs of its node (see `edge.node.Node`)."""

    name: str
    lane: Lane
    partitions: int
    settings: Settings
    tracer: Tracer | None

    async def request(self, station_id: str, request: Request, timeout_s: float) -> Reply:
        """Put a request on the station's uplink and return the worker's reply, or raise TimeoutError."""
        ...

    def not_ready(self) -> list[str]:
        """Say why no work should be sent here."""
        ...


class Parts:
    """What lives as long as the listener."""

    def __init__(self, node: OperatorsNode, settings: Settings) -> None:
        self.node = node
        self.settings = settings
        self.access = Access(node.lane)
        self.feed = EventFeed(node.lane, settings.redis_url.reveal())
        self.tally = Tally()


PARTS: Final[web.AppKey[Parts]] = web.AppKey("parts", Parts)


class Call(Generic[P, B]):
    """One authorised request; `params` and `body` are of the types that the route declares."""

    __slots__ = ("body", "id", "params", "parts", "request", "token")

    def __init__(self, request: web.Request, call_id: str, parts: Parts, token: Token, params: P, body: B) -> None:
        self.request = request
        self.id = call_id
        self.parts = parts
        self.token = token
        self.params = params
        self.body = body

    @property
    def lane(self) -> Lane:
        """The way to Redis."""
        return self.parts.node.lane


Handler = Callable[[Call[Any, Any]], Awaitable[Any]]
