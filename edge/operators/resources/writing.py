"""What is written whole under a name: how one is made, replaced, found and deleted; no more than there may be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from edge.operators.models.tuning import TemplateMatch
from edge.operators.problems import FieldError, ProblemError, missing
from shared.bus.lane import Lane
from shared.records.queries.reading import TooManyError
from shared.records.queries.registers import Named, Register
from shared.records.templates import pattern_problem

R = TypeVar("R", bound=Named)


@contextmanager
def room() -> Iterator[None]:
    """Answer 409 where there are as many as there may be."""
    try:
        yield
    except TooManyError as error:
        raise ProblemError("conflict", str(error)) from None


async def create(lane: Lane, register: Register[R], record: R) -> None:
    """Write a record that must not exist; raises `ProblemError` 409 where it does."""
    with room():
        created = await register.create(lane, record)
    if not created:
        raise ProblemError("conflict", f"the {register.noun} {record.name} is there already; PUT replaces it")


async def put(lane: Lane, register: Register[R], record: R) -> tuple[R, int]:
    """Write a record, new or not; returns it as stored, and the status of the answer. Raises `ProblemError` 409."""
    with room():
        stored, new = await register.put(lane, record)
    return stored, 201 if new else 200


async def known(lane: Lane, register: Register[R], name: str) -> R:
    """Return a record; raises `ProblemError` 404."""
    found = (await register.every(lane)).get(name)
    if found is None:
        raise missing(register.noun, name)
    return found


async def delete(lane: Lane, register: Register[R], name: str) -> None:
    """Remove a record; raises `ProblemError` 404."""
    if not await register.delete(lane, name):
        raise missing(register.noun, name)


def match_errors(match: TemplateMatch) -> Iterator[FieldError]:
    """Yield what is wrong with the patterns of a match."""
    for field in ("vendor", "model", "firmware"):
        if problem := pattern_problem(getattr(match, field)):
            yield FieldError("body", f"match.{field}", problem)
