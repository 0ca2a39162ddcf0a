"""Changes that are ours: what a station took from us is no drift when the next read finds it."""

from __future__ import annotations

from typing import Final

import msgspec

from workers.store.draft import Draft

MAX_EXPECTED: Final = 200
"""Keys remembered; the oldest go."""


def expect(draft: Draft, key: str, value: str) -> None:
    """Remember that the station took `value` for `key`, until the configuration is read whole again."""
    if draft.station is None or not key:
        return
    configured = draft.configured
    others = {name: one for name, one in configured.expected.items() if name != key}
    kept = dict([*others.items()][-(MAX_EXPECTED - 1) :])
    draft.put(msgspec.structs.replace(configured, expected={**kept, key: value}))
