"""Cursors and pages, the same for every list."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from edge.operators.models.base import Page
from edge.operators.problems import ProblemError
from shared.records.queries import cursors
from shared.records.queries.cursors import CursorError, Position

R = TypeVar("R")
T = TypeVar("T")

ANY: Final = re.compile(r"(?s).+")
STREAM_ID: Final = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")
SLICE: Final = 25
"""Records turned into answers in one turn of the event loop, which carries stations' frames too."""


def position(cursor: str | None, *query: object) -> Position | None:
    """Return where the list `query` goes on; None at its beginning. Raises `ProblemError` for a bad cursor."""
    if cursor is None:
        return None
    try:
        return cursors.decode(cursors.fingerprint(*query), cursor)
    except CursorError as error:
        raise ProblemError.of_field("bad_parameter", "query", "cursor", str(error)) from None


def member(cursor: str | None, *query: object, shape: re.Pattern[str] = ANY) -> str:
    """Return the name behind which the list `query` goes on; empty at its beginning.

    `shape` is what names of the list look like: a cursor that somebody made up is refused like any other nonsense.
    """
    at = position(cursor, *query)
    if at is not None and not shape.fullmatch(at.member):
        raise ProblemError.of_field("bad_parameter", "query", "cursor", "is no cursor; take it from `next` as it is")
    return at.member if at else ""


async def shown(records: Sequence[R], show: Callable[[R], T]) -> list[T]:
    """Return what `show` makes of each record, a few at a time."""
    items: list[T] = []
    for begin in range(0, len(records), SLICE):
        items += [show(record) for record in records[begin : begin + SLICE]]
        await asyncio.sleep(0)
    return items


def page(items: list[T], after: Position | str | None, *query: object) -> Page[T]:
    """Return a page of the list `query` that goes on behind `after`; empty or None at the end."""
    if not after:
        return Page(items, None)
    at = Position(after) if isinstance(after, str) else after
    return Page(items, cursors.encode(cursors.fingerprint(*query), at))
