"""The result of one check."""

from typing import Literal

import msgspec

Level = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True):
    """What was looked at, how it is, and for `warn` and `fail` how to mend it."""

    subject: str
    level: Level
    found: str
    mend: str = ""


def ok(subject: str, found: str) -> Finding:
    """Return that all is well."""
    return Finding(subject, "ok", found)


def warn(subject: str, found: str, mend: str) -> Finding:
    """Return that Ampstream serves, but not as well as it could."""
    return Finding(subject, "warn", found, mend)


def fail(subject: str, found: str, mend: str) -> Finding:
    """Return that Ampstream would not serve, or not keep its promise."""
    return Finding(subject, "fail", found, mend)
