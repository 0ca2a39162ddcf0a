"""Records by name that are kept as one and swapped whole, so that two operators who write at once lose nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from shared.bus.lane import Lane
from shared.bus.scripts import SWAP_RECORD
from shared.records.packing import pack, unpack

from .reading import TooManyError


class Named(Protocol):
    """A record that has a name."""

    @property
    def name(self) -> str:
        """The name that it goes by."""


R = TypeVar("R", bound=Named)


class Whole(Protocol[R]):
    """What all records of a register are stored as."""

    def __init__(self, by_name: dict[str, R]) -> None: ...

    @property
    def by_name(self) -> dict[str, R]:
        """The records by their names."""


class Register(msgspec.Struct, Generic[R], frozen=True):
    """All records of a kind: where they are, how they are stored, what people call one and several."""

    key: str
    whole: type[Whole[R]]
    noun: str
    nouns: str
    most: int
    """Records that there may be."""
    succeeds: Callable[[R, R], R]
    """Returns a record (the second) as it is stored in the place of another of its name (the first)."""

    async def every(self, lane: Lane) -> dict[str, R]:
        """Return all records by name."""
        return self._held(await lane.one("GET", self.key))

    async def create(self, lane: Lane, record: R) -> bool:
        """Write a record that must not exist; False where it does. Raises `TooManyError`."""
        return await self._swap(lane, lambda held: None if record.name in held else self._with(held, record))

    async def put(self, lane: Lane, record: R) -> tuple[R, bool]:
        """Write a record, new or not; returns it as stored, and whether it is new. Raises `TooManyError`."""
        stored, new = record, True

        def change(held: dict[str, R]) -> dict[str, R]:
            nonlocal stored, new
            before = held.get(record.name)
            new = before is None
            stored = record if before is None else self.succeeds(before, record)
            return self._with(held, stored)

        await self._swap(lane, change)
        return stored, new

    async def delete(self, lane: Lane, name: str) -> bool:
        """Remove a record; False where it is not known."""

        def change(held: dict[str, R]) -> dict[str, R] | None:
            return {each: one for each, one in held.items() if each != name} if name in held else None

        return await self._swap(lane, change)

    def _held(self, packed: bytes | None) -> dict[str, R]:
        return {} if packed is None else unpack(packed, self.whole).by_name

    def _with(self, held: dict[str, R], record: R) -> dict[str, R]:
        if record.name not in held and len(held) >= self.most:
            raise TooManyError(f"there are {self.most} {self.nouns} already")
        return {**held, record.name: record}

    async def _swap(self, lane: Lane, change: Callable[[dict[str, R]], dict[str, R] | None]) -> bool:
        """Change the records as they are at the moment of the write; False where `change` wants nothing."""
        while True:
            packed = await lane.one("GET", self.key)
            after = change(self._held(packed))
            if after is None:
                return False
            swap = SWAP_RECORD.command(keys=[self.key], args=[packed or b"", pack(self.whole(after))])
            if await lane.one(*swap):
                return True
