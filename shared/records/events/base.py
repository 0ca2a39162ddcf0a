"""What every event has."""

from __future__ import annotations

from typing import Final

import msgspec

VERSION: Final = 1
"""Of the list: a type or field may be added under the same version, a changed meaning raises it."""


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every event has. `at`: when Ampstream took it in (ms)."""

    station_id: str
    at: int
    id: str = ""
