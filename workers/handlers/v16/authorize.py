"""Authorize (OCPP 1.6 §4.1)."""

from __future__ import annotations

from collections.abc import Iterable

from shared.ocpp.timestamps import format_time
from shared.ocpp.v16.datatypes import IdTagInfo
from shared.ocpp.v16.enums import AuthorizationStatus
from shared.ocpp.v16.messages import AuthorizeRequest, AuthorizeResponse
from shared.records.transactions import TagAnswer
from workers.handlers.registry import handles
from workers.services import authorization
from workers.store.draft import Draft
from workers.store.wants import Want


def _wants(_station_id: str, request: AuthorizeRequest) -> Iterable[Want]:
    return authorization.wants(request.id_tag)


@handles(AuthorizeRequest, wants=_wants, late="drop")
def authorize(draft: Draft, request: AuthorizeRequest) -> AuthorizeResponse:
    """Answer whether the tag may charge."""
    return AuthorizeResponse(id_tag_info=info(authorization.authorize(draft, request.id_tag)))


def info(answer: TagAnswer) -> IdTagInfo:
    """Translate what a station is told of a tag."""
    return IdTagInfo(
        status=AuthorizationStatus(answer.status),
        expiry_date=format_time(answer.expires_at) if answer.expires_at else None,
        parent_id_tag=answer.group or None,
    )
