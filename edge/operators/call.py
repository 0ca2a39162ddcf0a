"""What a handler gets: the request, checked and parsed, and the parts of the listener that it may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from aiohttp import web

from edge.operators.access import Access, Caller
from edge.operators.auditing import Auditor
from edge.operators.feed import EventFeed
from edge.security import SecurityLog
from shared.bus.lane import Lane
from shared.envelopes import Reply
from shared.records.queries.summary import Tally
from shared.records.requests import Request
from shared.records.tokens import Token
from shared.settings import Settings
from shared.tracing import Tracer

if TYPE_CHECKING:
    from edge.operators.oidc import Issuer

P = TypeVar("P")
B = TypeVar("B")


class OperatorsNode(Protocol):
    """What the listener needs of its node (see `edge.node.Node`)."""

    name: str
    lane: Lane
    partitions: int
    settings: Settings
    tracer: Tracer | None
    security: SecurityLog

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
        self.issuer = _issuer(settings)
        self.access = Access(node.lane, settings, issuer=self.issuer, security=node.security)
        self.auditor = Auditor(node.lane)
        self.feed = EventFeed(node.lane, settings.redis_url.reveal())
        self.tally = Tally()


def _issuer(settings: Settings) -> Issuer | None:
    """Return who vouches for people, where the settings name an issuer; what it needs is imported only then."""
    if not settings.oidc_issuer:
        return None
    from edge.operators.oidc import Issuer

    return Issuer(settings)


PARTS: Final[web.AppKey[Parts]] = web.AppKey("parts", Parts)


class Call(Generic[P, B]):
    """One authorised request; `params` and `body` are of the types that the route declares."""

    __slots__ = ("body", "caller", "id", "notes", "params", "parts", "request")

    def __init__(self, request: web.Request, call_id: str, parts: Parts, caller: Caller, params: P, body: B) -> None:
        self.request = request
        self.id = call_id
        self.parts = parts
        self.caller = caller
        self.params = params
        self.body = body
        self.notes: dict[str, Any] = {}
        """What a handler wants to have in the audit log beside the request itself; no secrets, no id tags."""

    @property
    def token(self) -> Token:
        """What the caller may do, and under which name."""
        return self.caller.token

    @property
    def lane(self) -> Lane:
        """The way to Redis."""
        return self.parts.node.lane


Handler = Callable[[Call[Any, Any]], Awaitable[Any]]
