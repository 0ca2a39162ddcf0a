"""Id tags: who may charge."""

from __future__ import annotations

from typing import Literal

import msgspec

TagStatus = Literal["accepted", "blocked", "expired", "invalid"]


class IdTag(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An id tag: key `t:{id}:record`; tags are compared in lower case (OCPP 1.6 CiString20: case-insensitive)."""

    id_tag: str
    status: TagStatus = "accepted"
    expires_at: int = 0
    """0: never."""
    parent: str = ""
    """The group; sent as parentIdTag."""
    concurrent_limit: int = 0
    """How many transactions it may hold at a time; 0: no limit."""
    note: str = ""
    updated_at: int = 0
