"""Who is told of a configuration that was read, in the decision that stores it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from shared.records.configuration import Change, KeyValue, Snapshot
from workers.store.draft import Draft

ReadHook = Callable[[Draft, Snapshot, Snapshot | None, tuple[Change, ...]], None]
"""(draft, the snapshot, the one before or None, the differences)."""
UnreadHook = Callable[[Draft, str, str], None]
"""(draft, trigger, why): a configuration that was to be read will not be."""
KeysHook = Callable[[Draft, Mapping[str, KeyValue], tuple[str, ...], str], None]
"""(draft, the keys by the station's spelling, the keys that it does not know, why it failed or empty)."""

READ: Final[list[ReadHook]] = []
UNREAD: Final[list[UnreadHook]] = []
KEYS: Final[dict[str, KeysHook]] = {}


def when_read(hook: ReadHook) -> ReadHook:
    """Register a function that is told of every snapshot, whether it differs from the last or not."""
    if hook not in READ:
        READ.append(hook)
    return hook


def when_unread(hook: UnreadHook) -> UnreadHook:
    """Register a function that is told where a configuration is not read.

    Either the model may not be asked, or it did not answer time after time.
    """
    if hook not in UNREAD:
        UNREAD.append(hook)
    return hook


def when_keys_read(origin: str) -> Callable[[KeysHook], KeysHook]:
    """Register the function that is told what `reading.read_keys` with this origin found."""

    def register(hook: KeysHook) -> KeysHook:
        KEYS[origin] = hook
        return hook

    return register
