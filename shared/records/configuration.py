"""A station's configuration as Ampstream knows it: the last snapshot, and what is under way about it."""

from __future__ import annotations

import msgspec


class KeyValue(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """One configuration key as the station reported it, coerced to text (quirk 23)."""

    value: str | None = None
    """None: the key came without a value."""
    readonly: bool = False


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A station's whole configuration at a time: key `s:{id}:config`."""

    read_at: int
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    keys: dict[str, KeyValue] = {}
    """By the key's name as the station spells it."""


class Configured(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Section `cf`: where the reading of a station's configuration stands."""

    read_at: int = 0
    """When the last snapshot was taken; 0: never."""
    trigger: str = ""
    """Why a read is under way: `boot`, `schedule` or `operator`; empty: none is."""
    command_id: str = ""
    """The GetConfiguration that is under way."""
