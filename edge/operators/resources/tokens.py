"""Operators' tokens: made, listed, rotated, revoked by an admin; and who one is."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Page
from edge.operators.models.tokens import Me, NewToken, RotatedToken, TokenInfo, fields
from edge.operators.problems import ProblemError, missing
from edge.operators.routes import Table
from edge.operators.serving import Answer
from edge.operators.times import GivenInstant, instant, milliseconds
from shared.bus.clock import now_ms
from shared.records.queries import tokens
from shared.records.queries.tokens import Contended, LastAdmin
from shared.records.tokens import Scope, digest, id_of

TABLE: Final = Table("tokens")
_route = TABLE.route

OVERLAP_S: Final = 3600
MAX_OVERLAP_S: Final = 30 * 24 * 3600


class TokenBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to be."""

    name: Annotated[str, Meta(min_length=1, max_length=64, description="Who or what holds it; stands in the log.")]
    scope: Scope = "read"
    expires_at: GivenInstant | None = None


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a token is replaced."""

    overlap_s: Annotated[
        int, Meta(ge=0, le=MAX_OVERLAP_S, description="How long the old one goes on, for its holder to change over.")
    ] = OVERLAP_S
    expires_at: GivenInstant | None = None
    """Of the new one; absent: it does not expire."""


class TokenPath(msgspec.Struct, frozen=True, kw_only=True):
    """One token."""

    token_id: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]


@_route("GET", "/me", "Show who asks", scope="read", response=Me)
async def show_me(call: Call[Any, None]) -> Me:
    """Return the name and the scope of the token that this request came with."""
    return Me.of(call.caller)


@_route("GET", "/tokens", "List tokens", scope="admin", response=Page[TokenInfo])
async def list_tokens(call: Call[Any, None]) -> Page[TokenInfo]:
    """Return all tokens, oldest first, without their texts; one that expired is listed for 30 days more."""
    found, uses, now = await tokens.tokens(call.lane), await tokens.uses(call.lane), await now_ms(call.lane)
    return Page([TokenInfo.of(token_id, one, now, uses.get(token_id)) for token_id, one in found.items()], None)


@_route(
    "POST", "/tokens", "Create a token", scope="admin", body=TokenBody, response=NewToken, status=201,
    errors=("conflict",),
)  # fmt: skip
async def create_token(call: Call[Any, TokenBody]) -> Answer:
    """Make a token; the answer shows it this once."""
    body, now = call.body, await now_ms(call.lane)
    expires_at = _future(body.expires_at, now)
    if len(await tokens.tokens(call.lane)) >= tokens.MAX_TOKENS:
        raise ProblemError("conflict", f"there are {tokens.MAX_TOKENS} tokens; revoke some")
    text, record = await tokens.create(call.lane, body.name, body.scope, expires_at)
    call.parts.access.forget()
    return Answer(NewToken(**fields(id_of(digest(text)), record, now), token=text), 201)


@_route(
    "POST", "/tokens/{token_id}/rotate", "Rotate a token", scope="admin", params=TokenPath, body=Rotation,
    response=RotatedToken, status=201, errors=("not_found", "conflict"),
)  # fmt: skip
async def rotate_token(call: Call[TokenPath, Rotation]) -> Answer:
    """Make a token with the name and scope of another, which expires after the overlap; the answer shows it this once.

    409 where the new one would expire and no other admin's token lasts.
    """
    now = await now_ms(call.lane)
    expires_at = _future(call.body.expires_at, now)
    try:
        found = await tokens.rotate(call.lane, call.params.token_id, call.body.overlap_s * 1000, expires_at)
    except LastAdmin:
        detail = "this is the last admin token that does not expire; its successor must not expire either"
        raise ProblemError("conflict", detail) from None
    except Contended:
        raise _contended() from None
    if found is None:
        raise missing("valid token", call.params.token_id)
    text, record, old = found
    call.parts.access.forget()
    made = fields(id_of(digest(text)), record, now)
    return Answer(RotatedToken(**made, token=text, old_expires_at=instant(old.expires_at)), 201)


@_route(
    "DELETE", "/tokens/{token_id}", "Revoke a token", scope="admin", params=TokenPath, status=204,
    errors=("not_found", "conflict"),
)  # fmt: skip
async def revoke_token(call: Call[TokenPath, None]) -> None:
    """Revoke a token: at once here, within 5 s elsewhere. 409 for the last admin's that does not expire."""
    try:
        if not await tokens.revoke(call.lane, call.params.token_id):
            raise missing("token", call.params.token_id)
    except LastAdmin:
        detail = "this is the last admin token that does not expire; make another one first"
        raise ProblemError("conflict", detail) from None
    except Contended:
        raise _contended() from None
    call.parts.access.forget()


def _future(moment: Any, now: int) -> int:
    expires_at = milliseconds(moment) if moment else 0
    if expires_at and expires_at <= now:
        raise ProblemError.of_field("bad_body", "body", "expires_at", "is past")
    return expires_at


def _contended() -> ProblemError:
    return ProblemError("unavailable", "others change tokens at the moment; try again", headers={"Retry-After": "1"})
