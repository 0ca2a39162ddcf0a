"""What stations did on the CSMS's command, and over which of their sockets: noted and synced before they answer.

Beside the ledger of transactions, which knows no commands. What operators asked for stands here too: the auditor needs
nothing but this file and the system.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

import msgspec


class Connected(msgspec.Struct, frozen=True, tag="connected", tag_field="t"):
    """A station's upgrade was answered: its `socket`, counted from 1, is the owner from now on."""

    station: str
    socket: int


class Executed(msgspec.Struct, frozen=True, tag="executed", tag_field="t"):
    """A station took a command and is about to answer it."""

    station: str
    socket: int
    command_id: str
    action: str


class Asked(msgspec.Struct, frozen=True, tag="asked", tag_field="t"):
    """The system has promised an operator to deliver a command."""

    station: str
    command_id: str
    action: str


Entry: TypeAlias = Connected | Executed | Asked

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


class Journal:
    """A file of JSON lines, one sync each: commands are few."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, entry: Entry) -> None:
        """Have an entry on disk."""
        os.write(self._fd, _encode(entry) + b"\n")
        os.fdatasync(self._fd)

    def read(self) -> list[Entry]:
        """Return what is on disk, in order."""
        return [_decode(line) for line in self.path.read_bytes().splitlines()]

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
