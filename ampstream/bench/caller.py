"""One station of the load: a socket and a script, one CALL at a time, each answer checked against its CALL.

A script is a generator: it yields CALLs, is sent the payload of each answer, and says what is wrong with one by
`Wrong`. In a closed loop the next CALL goes out in the callback that brought the last answer.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Generator
from typing import NamedTuple, TypeAlias

import msgspec

from ampstream.simulate.websocket import WebSocketClient
from shared.ocpp import frames
from shared.ocpp.errors import FrameError

_MOST_PROBLEMS = 20


class Call(NamedTuple):
    """What a script says: an action and its payload as JSON."""

    action: str
    payload: bytes


class Wrong(Exception):
    """An answer is not what it must be."""


Script: TypeAlias = Generator[Call, msgspec.Raw, None]


class Tally:
    """What all callers of a run found together."""

    def __init__(self, *, echo: bool = False) -> None:
        """`echo`: the other end sends each CALL back instead of answering it."""
        self.echo = echo
        self.running = True
        """Scripts begin nothing new once this is False."""
        self.measuring = False
        self.latencies = array("d")
        """Seconds of each CALL that was answered while measuring."""
        self.answered = 0
        self.problems: list[str] = []
        self.problem_count = 0
        self.refused = 0

    def problem(self, text: str) -> None:
        """Note that something is wrong; the first few are kept in words."""
        self.problem_count += 1
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(text)


class Caller:
    """A station of the load; the `Listener` of its socket."""

    __slots__ = (
        "_client",
        "_message_id",
        "_number",
        "_on_open",
        "_on_refused",
        "_script",
        "_sent_at",
        "station_id",
        "tally",
    )

    def __init__(self, station_id: str, tally: Tally) -> None:
        self.station_id = station_id
        self.tally = tally
        self._client: WebSocketClient | None = None
        self._script: Script | None = None
        self._number = 0
        self._message_id = ""
        self._sent_at = 0.0
        self._on_open: Callable[[Caller], None] | None = None
        self._on_refused: Callable[[Caller, int, float], None] | None = None

    @property
    def busy(self) -> bool:
        """A script runs."""
        return self._script is not None

    @property
    def connected(self) -> bool:
        """The socket is open."""
        return self._client is not None and self._client.is_open

    def expect(self, opened: Callable[[Caller], None], refused: Callable[[Caller, int, float], None]) -> None:
        """Say who hears of the dial's end."""
        self._on_open, self._on_refused = opened, refused

    def attach(self, client: WebSocketClient) -> None:
        """Take the socket that is being opened."""
        self._client = client

    def begin(self, script: Script) -> None:
        """Start a script."""
        self._script = script
        self._say(next(script))

    def abort(self) -> None:
        """Drop the TCP connection; what was out is forgotten."""
        self._script = None
        if self._client is not None:
            self._client.abort()

    def _say(self, call: Call) -> None:
        client = self._client
        if client is None:
            self.tally.problem(f"{self.station_id}: no connection for {call.action}")
            self._script = None
            return
        self._number += 1
        self._message_id = str(self._number)
        self._sent_at = time.perf_counter()
        client.send(b'[2,"%d","%s",%s]' % (self._number, call.action.encode(), call.payload))

    # --- the listener

    def opened(self, subprotocol: str) -> None:
        """Tell who dialled."""
        if self._on_open is not None:
            self._on_open(self)

    def refused(self, status: int, retry_after_s: float) -> None:
        """Tell who dialled."""
        self._client = None
        self.tally.refused += 1
        if self._on_refused is not None:
            self._on_refused(self, status, retry_after_s)

    def closed(self, code: int, reason: str) -> None:
        """Note the end of a connection that had a CALL out."""
        self._client = None
        if self._script is not None:
            self._script = None
            self.tally.problem(f"{self.station_id}: closed {code} {reason} with a CALL out")

    def received(self, text: bytes) -> None:
        """Check an answer and say what is next."""
        now = time.perf_counter()
        script, tally = self._script, self.tally
        payload = self._payload_of(text)
        if payload is None or script is None:
            return
        tally.answered += 1
        if tally.measuring:
            tally.latencies.append(now - self._sent_at)
        try:
            self._say(script.send(payload))
        except StopIteration:
            self._script = None
        except (Wrong, msgspec.MsgspecError) as error:
            self._script = None
            tally.problem(f"{self.station_id}: {error}: {text[:200].decode(errors='replace')}")

    def reply_to(self, call: frames.Call) -> bytes:
        """Return the answer to what the CSMS asks: this station does nothing of the kind."""
        return frames.encode_error(call.message_id, "NotImplemented")

    def _payload_of(self, text: bytes) -> msgspec.Raw | None:
        """Return the payload of the answer to the CALL that is out; anything else is a problem."""
        try:
            frame = frames.decode(text)
        except FrameError as error:
            self.tally.problem(f"{self.station_id}: {error}")
            self._script = None
            return None
        if isinstance(frame, frames.Call) and not self.tally.echo:
            if self._client is not None:
                self._client.send(self.reply_to(frame))
            return None
        answers = isinstance(frame, (frames.CallResult, frames.Call)) and frame.message_id == self._message_id
        if not answers or not isinstance(frame, (frames.CallResult, frames.Call)):
            self.tally.problem(f"{self.station_id}: CALL {self._message_id} got {text[:200].decode(errors='replace')}")
            self._script = None
            return None
        return frame.payload
