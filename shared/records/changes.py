"""How two configurations differ, and how one follows from the other: pure functions.

changes = diff(before, after)
apply(before, changes) == after
apply(after, inverted(changes)) == before
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from .configuration import Change, ChangeKind, KeyValue, Version

Keys = Mapping[str, KeyValue]
OF_KEYS: Final[frozenset[ChangeKind]] = frozenset({"added", "removed", "changed", "made_readonly", "made_writable"})
_OPPOSITES: Final[dict[ChangeKind, ChangeKind]] = {
    "added": "removed",
    "removed": "added",
    "made_readonly": "made_writable",
    "made_writable": "made_readonly",
    "error_code_new": "error_code_gone",
    "error_code_gone": "error_code_new",
    "vendor_error_code_new": "vendor_error_code_gone",
    "vendor_error_code_gone": "vendor_error_code_new",
    "measurand_new": "measurand_gone",
    "measurand_gone": "measurand_new",
}


def diff(before: Keys, after: Keys) -> tuple[Change, ...]:
    """Return what makes `after` out of `before`, by key in alphabetical order."""
    found: list[Change] = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None and new is not None:
            found.append(Change(kind="added", name=name, after=new.value, readonly=new.readonly))
        elif old is not None and new is None:
            found.append(Change(kind="removed", name=name, before=old.value, readonly=old.readonly))
        elif old is not None and new is not None:
            found += _differences(name, old, new)
    return tuple(found)


def _differences(name: str, old: KeyValue, new: KeyValue) -> Iterable[Change]:
    if old.value != new.value:
        yield Change(kind="changed", name=name, before=old.value, after=new.value)
    if old.readonly != new.readonly:
        yield Change(kind="made_readonly" if new.readonly else "made_writable", name=name)


def apply(keys: Keys, changes: Iterable[Change]) -> dict[str, KeyValue]:
    """Return `keys` with the changes of keys made; others have no effect, nor has one of a key that is not there."""
    made = dict(keys)
    for change in changes:
        if change.kind == "added":
            made[change.name] = KeyValue(change.after, change.readonly)
        elif change.kind == "removed":
            made.pop(change.name, None)
        elif change.kind in OF_KEYS and (old := made.get(change.name)) is not None:
            value = change.after if change.kind == "changed" else old.value
            readonly = old.readonly if change.kind == "changed" else change.kind == "made_readonly"
            made[change.name] = KeyValue(value, readonly)
    return made


def inverted(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return what undoes the changes."""
    return tuple(
        msgspec.structs.replace(
            change, kind=_OPPOSITES.get(change.kind, change.kind), before=change.after, after=change.before
        )
        for change in reversed(tuple(changes))
    )


def at_version(keys: Keys, newest_first: Iterable[Version], version: int) -> dict[str, KeyValue]:
    """Return the keys of an older version: `keys` are the last one's, `newest_first` the history down to it."""
    made = dict(keys)
    for entry in newest_first:
        if entry.version <= version:
            break
        made = apply(made, inverted(entry.changes))
    return made
