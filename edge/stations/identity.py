"""Which station a request's path means: `<prefix>/<station id>`, percent-decoded once.

Tolerated (quirk 13): repeated slashes, a trailing slash, an absolute URI as request target. Refused: what could not be
a key or an identity, with a text that says why (the path itself is not shown: it is whatever a stranger sent).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

MAX_LENGTH: Final = 48
"""Characters of an identity (OCPP 2.0.1 part 4 §3.1.1; 1.6 sets no limit)."""
FORBIDDEN: Final = frozenset(":/{}")
"""`:` would end the user name in Basic, `/` the path, and braces the hash tag of the station's keys."""

_ABSOLUTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_SLASHES = re.compile(r"/{2,}")


class BadIdentity(ValueError):
    """The path names no possible station; the text says why and may be shown."""


class NotHere(LookupError):
    """The path is none of this listener's."""


def station_of(target: str, prefix: str) -> str:
    """Return the station id that a request target names; raises `NotHere` and `BadIdentity`."""
    path = _ABSOLUTE.sub("", target, count=1).partition("?")[0].partition("#")[0]
    path = _SLASHES.sub("/", path)
    if not path.startswith(prefix + "/"):
        raise NotHere(f"stations dial {prefix}/<station id>")
    return decode(path[len(prefix) + 1 :].rstrip("/"))


def deviates(target: str, prefix: str) -> bool:
    """Tell whether a target that names a station does so in another form than `<prefix>/<station id>` (quirk 13)."""
    return "/" in target.partition("?")[0].removeprefix(prefix + "/")


def decode(segment: str) -> str:
    """Return the station id of one percent-encoded path segment; raises `BadIdentity`."""
    if "/" in segment:
        raise BadIdentity("the station id is one path segment")
    try:
        station_id = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise BadIdentity("the station id is not UTF-8") from None
    check(station_id)
    return station_id


def check(station_id: str) -> None:
    """Raise `BadIdentity` unless the text can be a station's id."""
    if not station_id:
        raise BadIdentity("the station id is missing")
    if len(station_id) > MAX_LENGTH:
        raise BadIdentity(f"the station id is longer than {MAX_LENGTH} characters")
    if FORBIDDEN & set(station_id):
        raise BadIdentity("the station id holds one of : / { }")
    if not station_id.isprintable():
        raise BadIdentity("the station id holds a character that can't be printed")
