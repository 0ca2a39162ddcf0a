"""Texts, booleans and numbers out of whatever a station sent (quirks 21 and 23). Nothing here raises."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

MAX_NAME: Final = 100
"""Characters kept of a key; fifty allowed."""
MAX_VALUE: Final = 4000
"""Characters kept of a value; five hundred allowed, more in the field (quirk 8)."""
MAX_DIGITS: Final = 18
_TRUE: Final = frozenset({"true", "1", "yes", "y", "on", "ro", "readonly", "read-only", "r"})
_encode = msgspec.json.Encoder().encode


def text(value: Any) -> str | None:
    """Return the text of a value of any JSON; None for none."""
    if value is None:
        return None
    if isinstance(value, str):
        return value[:MAX_VALUE]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return ",".join(text(one) or "" for one in value)[:MAX_VALUE]
    try:
        return _encode(value).decode()[:MAX_VALUE]
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return str(type(value).__name__)


def truth(value: Any) -> bool:
    """Return what a boolean is that may have been written as text or number."""
    if isinstance(value, str):
        return value.strip().lower() in _TRUE
    return isinstance(value, bool | int | float) and bool(value)


def number(value: str | None, low: int, high: int) -> int | None:
    """Return a value as a number within bounds; None for what is none, or is insane (quirk 21)."""
    digits = (value or "").strip()
    if not re.fullmatch(rf"-?[0-9]{{1,{MAX_DIGITS}}}(\.0*)?", digits):
        return None
    found = int(digits.partition(".")[0])
    return found if low <= found <= high else None
