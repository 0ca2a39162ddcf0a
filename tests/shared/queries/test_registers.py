"""Registers: records by name that are swapped whole."""

from __future__ import annotations

import msgspec
import pytest

from shared.bus.lane import Lane
from shared.records.queries.reading import TooManyError
from shared.records.queries.templates import REGISTER
from shared.records.templates import Template


async def test_a_full_register_takes_what_it_has_and_nothing_else(lane: Lane) -> None:
    """The bound holds for new names alone, by either way of writing."""
    register = msgspec.structs.replace(REGISTER, most=1)
    assert await register.create(lane, Template(name="one", updated_at=1))
    for write in (register.create, register.put):
        with pytest.raises(TooManyError, match="there are 1 templates already"):
            await write(lane, Template(name="two", updated_at=1))
    stored, new = await register.put(lane, Template(name="one", updated_at=2, priority=7))
    assert (stored.priority, new) == (7, False)
    assert await register.delete(lane, "one")
    assert not await register.delete(lane, "one")
    assert await register.every(lane) == {}
