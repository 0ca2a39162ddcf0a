"""One station that a test plays frame by frame: it does what it is told, rules or not.

    station = Station("ws://127.0.0.1:9000/ocpp", "CP1", password=b"secret")
    await station.connect()
    answer = await station.call("Heartbeat")                    Answer(message_id, payload)
    await station.call("StartTransaction", {...}, message_id="7")
    station.abort()                                             the TCP connection goes, nobody said goodbye

Calls may overlap, ids may repeat, bytes may be anything. A CALL of the CSMS is answered by `on_call`, or kept for
`next_call` where there is none; `hold` keeps answers back until `release`.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import msgspec

from ampstream.simulate.websocket import Endpoint, WebSocketClient, dial
from shared.ocpp import frames


class StationError(Exception):
    """The station could not do what the test asked."""


class Refused(StationError):
    """The upgrade was refused; `status` is HTTP's, 0 for no HTTP."""

    def __init__(self, status: int, retry_after_s: float) -> None:
        super().__init__(f"upgrade refused: {status}")
        self.status = status
        self.retry_after_s = retry_after_s


class CallFailed(StationError):
    """A CALL got a CALLERROR."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class ConnectionGone(StationError):
    """The connection ended before an answer came."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed {code} {reason}")
        self.code = code
        self.reason = reason


class Answer(msgspec.Struct, frozen=True):
    """A CALLRESULT."""

    message_id: str
    payload: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.payload[name]


class CsmsCall(msgspec.Struct, frozen=True):
    """A CALL of the CSMS."""

    message_id: str
    action: str
    payload: dict[str, Any]


OnCall = Callable[[CsmsCall], Mapping[str, Any] | msgspec.Struct | None]


class Station:
    """A scripted station; may connect again after any end. Usable as an async context manager."""

    def __init__(
        self,
        url: str,
        station_id: str,
        *,
        password: bytes | None = None,
        subprotocols: str = "ocpp1.6",
        on_call: OnCall | None = None,
        timeout_s: float = 30.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.endpoint = Endpoint.parse(url)
        self.station_id = station_id
        self.password = password
        self.subprotocols = subprotocols
        self.on_call = on_call
        self.timeout_s = timeout_s
        self.context = context
        """For `wss`: whom it trusts, and what it shows."""
        self.subprotocol = ""
        self.close_code: int | None = None
        """How the last connection ended; None while it lives."""
        self.received_frames: list[bytes] = []
        """Every text message of every connection, as it came."""
        self.hold = False
        self._held: deque[bytes] = deque()
        self._client: WebSocketClient | None = None
        self._opening: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[int] | None = None
        self._waiting: dict[str, deque[asyncio.Future[Answer]]] = {}
        self._calls: asyncio.Queue[CsmsCall] = asyncio.Queue()
        self._ids = itertools.count(1)

    async def __aenter__(self) -> Self:
        """Connect."""
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    # --- the connection

    async def connect(self, url: str | None = None, *, local_address: str | None = None) -> None:
        """Dial and wait for the upgrade; raises `Refused`, OSError, or TimeoutError."""
        if url is not None:
            self.endpoint = Endpoint.parse(url)
        loop = asyncio.get_running_loop()
        self._opening, self._ended = loop.create_future(), loop.create_future()
        self.close_code = None
        async with asyncio.timeout(self.timeout_s):
            await dial(
                self.endpoint,
                self.station_id,
                self,
                password=self.password,
                subprotocols=self.subprotocols,
                local_address=local_address,
                made=self._take,
                context=self.context,
            )
            await self._opening

    def _take(self, client: WebSocketClient) -> None:
        self._client = client

    @property
    def connected(self) -> bool:
        """The WebSocket is open."""
        return self._client is not None and self._client.is_open and self.close_code is None

    async def close(self, code: int = 1000) -> None:
        """Close with the handshake and wait for the end; harmless where nothing is open."""
        if self._client is not None and self._ended is not None and self.close_code is None:
            self._client.close(code)
            await self.closed_with()

    def abort(self) -> None:
        """Drop the TCP connection without a word."""
        if self._client is not None:
            self._client.abort()

    async def closed_with(self, timeout_s: float | None = None) -> int:
        """Wait for the end of the connection; return its close code, 1006 for none."""
        if self._ended is None:
            raise StationError("never connected")
        async with asyncio.timeout(timeout_s or self.timeout_s):
            return await asyncio.shield(self._ended)

    def pause_reading(self) -> None:
        """Read nothing any more."""
        self._open_client().pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._open_client().resume_reading()

    def ping(self, data: bytes = b"") -> None:
        """Send a WebSocket ping."""
        self._open_client().ping(data)

    # --- saying

    async def call(
        self,
        action: str,
        payload: Mapping[str, Any] | msgspec.Struct | None = None,
        message_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send a CALL and return its answer; raises `CallFailed`, `ConnectionGone` or TimeoutError."""
        async with asyncio.timeout(timeout_s or self.timeout_s):
            return await self.start_call(action, payload, message_id)

    def start_call(
        self,
        action: str,
        payload: Mapping[str, Any] | msgspec.Struct | None = None,
        message_id: str | None = None,
    ) -> asyncio.Future[Answer]:
        """Send a CALL and return what will hold its answer; several may be out, of one id too (first come)."""
        number = message_id if message_id is not None else f"t{next(self._ids)}"
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(number, deque()).append(future)
        self.send_raw(frames.encode_call(number, action, payload if payload is not None else b"{}"))
        return future

    def send_raw(self, text: bytes | str) -> None:
        """Send a text message as it is."""
        self._open_client().send(text.encode() if isinstance(text, str) else text)

    async def next_call(self, timeout_s: float | None = None) -> CsmsCall:
        """Return the next CALL of the CSMS that `on_call` did not take."""
        async with asyncio.timeout(timeout_s or self.timeout_s):
            return await self._calls.get()

    def answer(self, call: CsmsCall, payload: Mapping[str, Any] | msgspec.Struct) -> None:
        """Answer a CALL of the CSMS; kept back while `hold` is set."""
        self._answer(frames.encode_result(call.message_id, payload))

    def answer_error(self, call: CsmsCall, code: str, description: str = "") -> None:
        """Answer a CALL of the CSMS with a CALLERROR."""
        self._answer(frames.encode_error(call.message_id, code, description))

    def release(self) -> None:
        """Send the answers that were kept back."""
        self.hold = False
        while self._held:
            self.send_raw(self._held.popleft())

    def _answer(self, frame: bytes) -> None:
        if self.hold:
            self._held.append(frame)
        else:
            self.send_raw(frame)

    def _open_client(self) -> WebSocketClient:
        if self._client is None or self.close_code is not None:
            raise StationError(f"{self.station_id} is not connected")
        return self._client

    # --- the listener

    def opened(self, subprotocol: str) -> None:
        """The upgrade was answered."""
        self.subprotocol = subprotocol
        if self._opening is not None and not self._opening.done():
            self._opening.set_result(None)

    def refused(self, status: int, retry_after_s: float) -> None:
        """The upgrade was refused."""
        self.close_code = 1006
        if self._opening is not None and not self._opening.done():
            self._opening.set_exception(Refused(status, retry_after_s))

    def received(self, text: bytes) -> None:
        """Give an answer to who waits for it, a CALL to `on_call` or the queue."""
        self.received_frames.append(text)
        frame = frames.decode(text)
        if isinstance(frame, frames.Call):
            self._called(CsmsCall(frame.message_id, frame.action, msgspec.json.decode(frame.payload, type=dict)))
            return
        waiting = self._waiting.get(frame.message_id)
        if not waiting:
            return
        future = waiting.popleft()
        if not waiting:
            del self._waiting[frame.message_id]
        if future.done():
            return
        if isinstance(frame, frames.CallResult):
            future.set_result(Answer(frame.message_id, msgspec.json.decode(frame.payload, type=dict)))
        elif isinstance(frame, frames.CallError):
            future.set_exception(CallFailed(frame.code, frame.description or ""))

    def _called(self, call: CsmsCall) -> None:
        answer = self.on_call(call) if self.on_call is not None else None
        if answer is None:
            self._calls.put_nowait(call)
        else:
            self.answer(call, answer)

    def closed(self, code: int, reason: str) -> None:
        """Fail what waits."""
        self.close_code = code
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(code)
        waiting, self._waiting = self._waiting, {}
        for future in itertools.chain.from_iterable(waiting.values()):
            if not future.done():
                future.set_exception(ConnectionGone(code, reason))
                # Nobody may be waiting for it any more.
                future.exception()
