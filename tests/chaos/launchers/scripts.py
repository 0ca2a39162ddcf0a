"""Changing a Lua script before any lane loads it."""

from __future__ import annotations

import hashlib

from shared.bus.scripts import Script


def cut(script: Script, begin: str, end: str) -> None:
    """Remove what stands from `begin` through `end`, which must occur once each."""
    source = script.source
    assert source.count(begin) == 1, f"{script.name}.lua no longer holds {begin!r}"
    head, _, rest = source.partition(begin)
    assert end in rest, f"{script.name}.lua no longer holds {end!r}"
    script.source = head + rest.partition(end)[2]
    script.sha = hashlib.sha1(script.source.encode(), usedforsecurity=False).hexdigest()
