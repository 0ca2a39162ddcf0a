"""A station that never reads: a raw socket with a small buffer, so that what is sent to it piles up at the edge."""

from __future__ import annotations

import base64
import os
import socket
from pathlib import Path
from typing import Final

import msgspec

from ampstream.simulate import wsframes
from ampstream.simulate.websocket import Endpoint
from shared.ocpp import frames

BUFFER: Final = 4096
_KEY: Final = 0x01020304


class Held(msgspec.Struct, frozen=True):
    """The other end of its socket, as the kernel sees it: bytes that wait there, and whether a process owns it."""

    waiting: int
    owned: bool


class Deaf:
    """Says what it is told to and takes nothing."""

    def __init__(self, url: str, station_id: str) -> None:
        endpoint = Endpoint.parse(url)
        self._edge = (endpoint.host, endpoint.port)
        self._request = endpoint.request(station_id, None, "ocpp1.6", base64.b64encode(os.urandom(16)))
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._ids = 0

    def connect(self) -> None:
        """Dial and ask for the upgrade; the answer stays unread."""
        self._socket.connect(self._edge)
        self._socket.sendall(self._request)

    def say(self, action: str, payload: dict[str, str] | None = None) -> None:
        """Send a CALL; raises OSError once the edge has dropped the connection."""
        self._ids += 1
        text = frames.encode_call(f"deaf-{self._ids}", action, payload or {})
        self._socket.sendall(wsframes.encode(wsframes.TEXT, text, _KEY))

    def held(self) -> Held:
        """Look at the edge's end; nothing of it is left where nobody knows it any more."""
        mine, theirs = self._socket.getsockname()[1], self._edge[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, _, queues, _, _, _, _, inode, *_ = line.split()
            if int(local.partition(":")[2], 16) == theirs and int(remote.partition(":")[2], 16) == mine:
                return Held(int(queues.partition(":")[0], 16), inode != "0")
        return Held(0, owned=False)

    def close(self) -> None:
        """Drop the socket."""
        self._socket.close()
