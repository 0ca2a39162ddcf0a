"""Files: firmware images, diagnostics, logs. Their content lies in a directory, by id; what is known of it is here.

    expected ──an upload begins──> receiving ──whole, on disk──> stored ──its time is over, or deleted──> gone
        ^                              │
        └──broken off, too large ──────┘

A record is replaced only where it still is what its writer saw, so one upload at a time counts. A claim runs out: an
edge that dies in the middle of an upload keeps no station from trying again. One that only stood still finds that the
claim is another's: each upload has a content of its own, and the record says whose counts.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from .commands import make_id

FileKind = Literal["firmware", "diagnostics", "log"]
FileState = Literal["expected", "receiving", "stored"]
MAX_NAME: Final = 128
DEFAULT_NAME: Final = "file.bin"
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]+")


class FileRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is known of a file."""

    file_id: str
    kind: FileKind
    state: FileState = "expected"
    name: str = DEFAULT_NAME
    """For people and for the last part of links; never a path."""
    station_id: str = ""
    """Who leaves it; empty for firmware."""
    command_id: str = ""
    """The command that asked for it."""
    log_type: str = ""
    """Of a log: which."""
    limit: int = 0
    """Bytes that are taken at most."""
    size: int = 0
    """Bytes that are there; while it is received, that have come."""
    sha256: str = ""
    error: str = ""
    """Why the last upload failed."""
    created_at: int = 0
    created_by: str = ""
    stored_at: int = 0
    expires_at: int = 0
    """When it is deleted; 0: when its image is."""
    claim: str = ""
    """Who receives it at the moment."""
    claimed_until: int = 0
    content: str = ""
    """The claim whose upload counts; empty: there was one upload alone (firmware)."""

    @property
    def content_id(self) -> str:
        """What its content lies under."""
        return content_id(self.file_id, self.content)


class FileTold(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a station said last of how an upload goes."""

    status: str
    at: int
    request_id: int | None = None


class LinkUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was fetched by a link."""

    got: tuple[tuple[int, int], ...] = ()
    """The parts that were delivered: first byte, and the one behind the last; apart, and in order."""
    sent: int = 0
    """Bytes that were sent, repetitions too."""
    done: bool = False


def make_file_id(now: int, source: str) -> str:
    """Return the id of a file made at `now` (ms), equal for one source."""
    return make_id(now, f"file:{source}")


def content_id(file_id: str, claim: str) -> str:
    """Return what the content of an upload lies under: no other upload of the file writes there."""
    return f"{file_id}.{claim}" if claim else file_id


def plain_name(text: str) -> str:
    """Return a name that is no path and needs no encoding, whatever was given."""
    last = text.replace("\\", "/").rsplit("/", 1)[-1]
    name = _ODD.sub("_", last).strip("._-")[-MAX_NAME:]
    return name or DEFAULT_NAME


def covered(got: tuple[tuple[int, int], ...], begin: int, end: int) -> tuple[tuple[int, int], ...]:
    """Return the parts with one more, joined where they touch."""
    found: list[tuple[int, int]] = []
    for first, behind in sorted([*got, (begin, end)] if end > begin else got):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], behind)
        else:
            found.append((first, behind))
    return tuple(found)
