"""Drifts: changes of a station's configuration that somebody should look at, and the rules that tell which are."""

from __future__ import annotations

from typing import Literal

import msgspec

from .configuration import Change, ChangeKind

DriftState = Literal["open", "acknowledged"]


class DriftRule(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a change is taken for. The first rule that fits a change decides; a change that none fits is insignificant.

    `names` is a pattern of the key, code or measurand (`*` any text, `?` any character, in any case), `kinds` are the
    kinds of change that it is about: all where it is empty.
    """

    names: str = "*"
    kinds: tuple[ChangeKind, ...] = ()
    significant: bool = True
    note: str = ""


class DriftRules(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The rules of the fleet, whole: key `drift:rules` where operators set them, else those that are shipped."""

    rules: tuple[DriftRule, ...] = ()
    secrets: tuple[str, ...] = ()
    """Patterns of keys whose values are never stored nor shown, beside those that are always taken for secrets."""
    updated_at: int = 0
    by: str = ""


class Drift(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Significant changes that one read of a configuration found; field of the hash `s:{id}:drifts`."""

    drift_id: str
    station_id: str
    found_at: int
    version: int
    """Of the configuration that has the changes."""
    firmware: str = ""
    previous_firmware: str = ""
    changes: tuple[Change, ...] = ()
    """The significant ones; the history has all."""
    state: DriftState = "open"
    acknowledged_at: int = 0
    acknowledged_by: str = ""
    note: str = ""
