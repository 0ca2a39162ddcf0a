"""What all lists and changes share."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

Limit = Annotated[int, Meta(ge=1, le=1000, description="How many items a page has at most.")]
Cursor = Annotated[str, Meta(max_length=1024, description="`next` of the page before.")]
StationId = Annotated[
    str, Meta(min_length=1, max_length=48, pattern=r"^[^:/{}\x00-\x1f\x7f]+$", description="Identity of a station.")
]


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list. `next` goes into the parameter `cursor`; null at the end. A page may be short and go on."""

    items: list[T]
    next: str | None


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A change that a worker has committed."""

    request_id: str
    status: Literal["accepted"] = "accepted"
    detail: str = ""
