"""What goes wrong, as `application/problem+json` (RFC 9457): a closed list of kinds, each with its status and title.

A problem names what is wrong and where; it never repeats an id tag, a password or a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec
from aiohttp import web

MEDIA_TYPE: Final = "application/problem+json"
REALM: Final = 'Bearer realm="ampstream"'

Where = Literal["query", "path", "body", "header"]


class Kind(NamedTuple):
    """One kind of problem."""

    status: int
    title: str


KINDS: Final[dict[str, Kind]] = {
    "bad_parameter": Kind(400, "A parameter is wrong"),
    "bad_json": Kind(400, "The body is no JSON"),
    "unauthenticated": Kind(401, "A token is needed"),
    "forbidden": Kind(403, "The token does not allow this"),
    "not_found": Kind(404, "There is no such thing"),
    "method_not_allowed": Kind(405, "This can't be done here"),
    "body_timeout": Kind(408, "The body did not come in time"),
    "conflict": Kind(409, "The present state does not allow this"),
    "too_large": Kind(413, "The body is too large"),
    "unsupported_media_type": Kind(415, "The body has the wrong type"),
    "bad_body": Kind(422, "The body does not have the right form"),
    "rate_limited": Kind(429, "Too many logins failed"),
    "refused": Kind(400, "The request was refused"),
    "internal": Kind(500, "A fault of ours"),
    "unavailable": Kind(503, "Not available at the moment"),
    "outcome_unknown": Kind(504, "Nobody can tell yet whether it happened"),
}
"""Name -> kind; a problem's `type` is `urn:ampstream:problem:<name>`."""


class FieldError(msgspec.Struct, frozen=True, rename={"where": "in"}):
    """One wrong field: where it stands, its name (a path inside a body), and what is wrong with it."""

    where: Where
    name: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer from 400 on."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    """`urn:ampstream:request:<id>`: the id that our log has too, and that the header X-Request-Id repeats."""
    errors: list[FieldError] = []


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        status: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = list(errors)
        self.status = status or KINDS[kind].status
        self.headers = dict(headers or {})

    @classmethod
    def of_field(cls, kind: str, where: Where, name: str, message: str) -> ProblemError:
        """Return the problem of a single field."""
        return cls(kind, f"`{name}` {message}", errors=[FieldError(where, name, message)])

    @classmethod
    def of_fields(cls, kind: str, errors: Sequence[FieldError]) -> ProblemError:
        """Return the problem of several fields."""
        return cls(kind, "; ".join(f"`{one.name}` {one.message}" for one in errors), errors=errors)

    def response(self, request_id: str) -> web.Response:
        """Return the answer."""
        problem = Problem(
            type=f"urn:ampstream:problem:{self.kind}",
            title=KINDS[self.kind].title,
            status=self.status,
            detail=self.detail,
            instance=f"urn:ampstream:request:{request_id}",
            errors=self.errors,
        )
        return web.Response(
            body=msgspec.json.encode(problem), status=self.status, content_type=MEDIA_TYPE, headers=self.headers
        )


def of_http(error: web.HTTPException) -> ProblemError:
    """Turn what aiohttp raises by itself (no route, method, size) into a problem."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return ProblemError(
            "method_not_allowed", f"{error.method} is not allowed here; {allowed} is", headers={"Allow": allowed}
        )
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return ProblemError("too_large", "the body is larger than what is taken here")
    if error.status == 404:
        return ProblemError("not_found", "no resource has this path; /openapi.json lists them all")
    return ProblemError("internal" if error.status >= 500 else "refused", error.reason, status=error.status)


def missing(what: str, name: Any = "") -> ProblemError:
    """Return the problem of something that is not there; `name` only where it is no secret."""
    return ProblemError("not_found", f"there is no {what} {name}".rstrip())
