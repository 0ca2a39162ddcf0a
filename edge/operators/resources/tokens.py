"""Operators' tokens: made, listed, revoked by an admin."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Page
from edge.operators.models.other import NewToken, TokenInfo
from edge.operators.problems import ProblemError, missing
from edge.operators.resources.tags import now_ms
from edge.operators.routes import Table
from edge.operators.serving import Answer
from edge.operators.times import GivenInstant, instant, iso, milliseconds
from shared.records.queries import tokens
from shared.records.tokens import Scope, digest, id_of

TABLE: Final = Table("tokens")
_route = TABLE.route


class TokenBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to be."""

    name: Annotated[str, Meta(min_length=1, max_length=64, description="Who or what holds it; stands in the log.")]
    scope: Scope = "read"
    expires_at: GivenInstant | None = None


class TokenPath(msgspec.Struct, frozen=True, kw_only=True):
    """One token."""

    token_id: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]


@_route("GET", "/tokens", "List tokens", scope="admin", response=Page[TokenInfo])
async def list_tokens(call: Call[Any, None]) -> Page[TokenInfo]:
    """Return all tokens, oldest first, without their texts."""
    found = await tokens.tokens(call.lane)
    return Page([TokenInfo.of(token_id, record) for token_id, record in found.items()], None)


@_route(
    "POST", "/tokens", "Create a token", scope="admin", body=TokenBody, response=NewToken, status=201,
    errors=("conflict",),
)  # fmt: skip
async def create_token(call: Call[Any, TokenBody]) -> Answer:
    """Make a token; the answer shows it this once."""
    body = call.body
    expires_at = milliseconds(body.expires_at) if body.expires_at else 0
    if expires_at and expires_at <= await now_ms(call.lane):
        raise ProblemError.of_field("bad_body", "body", "expires_at", "is past")
    if len(await tokens.tokens(call.lane)) >= tokens.MAX_TOKENS:
        raise ProblemError("conflict", f"there are {tokens.MAX_TOKENS} tokens; revoke some")
    text, record = await tokens.create(call.lane, body.name, body.scope, expires_at)
    call.parts.access.forget()
    made = NewToken(
        id=id_of(digest(text)),
        name=record.name,
        scope=record.scope,
        created_at=instant(record.created_at),
        expires_at=iso(record.expires_at),
        token=text,
    )
    return Answer(made, 201)


@_route(
    "DELETE", "/tokens/{token_id}", "Revoke a token", scope="admin", params=TokenPath, status=204,
    errors=("not_found", "conflict"),
)  # fmt: skip
async def revoke_token(call: Call[TokenPath, None]) -> None:
    """Revoke a token: at once here, within 5 s elsewhere. 409 for the last admin's."""
    found = await tokens.tokens(call.lane)
    token = found.get(call.params.token_id)
    if token is None:
        raise missing("token", call.params.token_id)
    if token.scope == "admin" and not token.expires_at and _lasting_admins(found.values()) == 1:
        raise ProblemError("conflict", "this is the last admin token that does not expire; make another one first")
    await tokens.revoke(call.lane, call.params.token_id)
    call.parts.access.forget()


def _lasting_admins(found: Any) -> int:
    return sum(token.scope == "admin" and not token.expires_at for token in found)
