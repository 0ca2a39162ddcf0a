"""One uplink entry, decoded once however often it is decided."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Self

import msgspec

from shared import envelopes
from shared.envelopes import Kind, Uplink
from shared.ocpp import frames, payloads
from shared.ocpp.errors import BadEnvelope, FrameError, OcppError
from shared.records import requests
from shared.series import OTHER
from shared.tracing import trace_id
from workers.handlers import outgoing
from workers.handlers.registry import Handler
from workers.services import duplicates
from workers.store.draft import Origin
from workers.store.wants import Want, WantCommand, WantLeastProfile, WantPresence, WantQuarantined, WantSeen

from .protocols import DEFAULT, PACKAGES, Protocol, protocol_of

_BODIES: Final[Mapping[int, Any]] = {
    Kind.OPENED: envelopes.SessionOpened,
    Kind.CLOSED: envelopes.SessionClosed,
    Kind.EXPIRED: envelopes.Expired,
    Kind.NOT_WRITTEN: envelopes.NotWritten,
    Kind.WAKEUP: envelopes.Wakeup,
    Kind.REQUEST: requests.AnyRequest,
    Kind.CANARY: envelopes.Canary,
}
_DECODERS: Final = {kind: msgspec.msgpack.Decoder(body) for kind, body in _BODIES.items()}


class Entry:
    """An uplink entry: its envelope, where it came from, and lazily its frame and payload."""

    __slots__ = ("_answer", "_body", "_call", "_request", "given", "kind", "origin", "station", "uplink")

    def __init__(self, uplink: Uplink, origin: Origin) -> None:
        self.uplink = uplink
        self.origin = origin
        self.kind = uplink.kind
        self.station = uplink.station
        """The station's id; empty for what belongs to none (canaries)."""
        self.given: dict[Want, Any] = {}
        """What its decision wanted and waited for; it is not loaded again."""
        self._body: Any = None
        self._call: frames.Call | FrameError | None = None
        self._answer: frames.CallResult | frames.CallError | FrameError | None = None
        self._request: tuple[type, Any] | None = None

    @classmethod
    def read(cls, partition: int, entry_id: str, data: bytes) -> Self:
        """Decode the envelope; raises `msgspec.MsgspecError` where `data` is none."""
        uplink = envelopes.decode_uplink(data)
        received_at = int(entry_id.partition("-")[0])
        return cls(uplink, Origin(entry_id, partition, received_at, uplink.node, uplink.epoch, uplink.call_seq))

    @property
    def body(self) -> Any:
        """The body of a kind that has one; raises `msgspec.MsgspecError` where it can't be read."""
        if self._body is None:
            self._body = _DECODERS[Kind(self.kind)].decode(self.uplink.frame)
        return self._body

    @property
    def call(self) -> frames.Call | FrameError:
        """The CALL, or what is wrong with it."""
        if self._call is None:
            self._call = _decode_call(self.uplink.frame)
        return self._call

    @property
    def answer(self) -> frames.CallResult | frames.CallError | FrameError:
        """The CALLRESULT or CALLERROR, or what is wrong with it."""
        if self._answer is None:
            self._answer = _decode_answer(self.uplink.frame)
        return self._answer

    def request(self, protocol: Protocol, handler: Handler) -> payloads.Parsed[Any] | OcppError:
        """The CALL's payload as the handler's request with its flags, or what is wrong with it."""
        if self._request is None or self._request[0] is not handler.request:
            call = self.call
            if isinstance(call, FrameError):
                raise call
            parsed: Any
            try:
                parsed = payloads.parse(handler.request, call.payload, protocol.actions)
            except OcppError as error:
                parsed = error
            self._request = handler.request, parsed
        found: payloads.Parsed[Any] | OcppError = self._request[1]
        return found

    @property
    def message_id(self) -> str:
        """The message id of a CALL or an answer; empty where there is none, or none that can be read."""
        try:
            frame = self.call if self.kind == Kind.CALL else self.answer if self.kind == Kind.ANSWER else None
        except Exception:  # noqa: BLE001 - for a log line; what fails here fails where the entry is decided
            return ""
        return frame.message_id or "" if frame is not None else ""

    @property
    def names(self) -> dict[str, str]:
        """What a log line calls it: station, entry, and where there are such, message and trace."""
        found = {"station": self.station, "entry": self.origin.entry_id}
        if message_id := self.message_id:
            found["message_id"] = message_id[:64]
        if self.origin.trace:
            found["trace_id"] = trace_id(self.origin.trace)
        return found

    @property
    def label(self) -> str:
        """What the metrics call it: a CALL's action or `other`, or the kind's name."""
        if self.kind == Kind.CALL:
            action = getattr(self.call, "action", None)
            return action if action in _actions() else OTHER
        return Kind(self.kind).name.lower() if self.kind in _KINDS else OTHER

    def wants(self) -> tuple[Want, ...]:
        """Say what the decision will look at beyond the station's state, as far as the entry alone tells; never raises.

        Which protocol the session speaks is not known yet: the default one is assumed, a wrong guess costs a round.
        """
        try:
            if self.kind == Kind.CALL:
                return self._call_wants()
            prefetch = _WANTS.get(self.kind)
            return prefetch(self) if prefetch is not None else ()
        except Exception:  # noqa: BLE001 - a guess; what fails here fails where the entry is decided, and is told there
            return ()

    def _call_wants(self) -> tuple[Want, ...]:
        call = self.call
        if isinstance(call, FrameError):
            return ()
        protocol = protocol_of(DEFAULT)
        handler = protocol.handlers.get(call.action)
        if handler is None:
            return ()
        if handler.once:
            return (WantSeen(duplicates.digest(self.origin.epoch, call.message_id, bytes(call.payload))),)
        if handler.wants is None:
            return ()
        parsed = self.request(protocol, handler)
        return () if isinstance(parsed, OcppError) else tuple(handler.wants(self.station, parsed.value))


def _answer_wants(entry: Entry) -> tuple[Want, ...]:
    answer = entry.answer
    if isinstance(answer, FrameError):
        return ()
    more = [wants for marker, wants in outgoing.PREFETCHES.items() if marker in entry.uplink.frame]
    return (WantCommand(answer.message_id), *itertools.chain.from_iterable(more))


def _request_wants(entry: Entry) -> tuple[Want, ...]:
    request: requests.Request = entry.body
    seen = WantSeen(duplicates.request_digest(request.request_id))
    if isinstance(request, (requests.ReplayQuarantined, requests.DropQuarantined)):
        return (seen, WantQuarantined(request.quarantine_id))
    if isinstance(request, (requests.SendCommand, requests.CancelCommand)):
        return (seen, WantCommand(request.command_id)) if request.command_id else (seen,)
    return (seen,)


_KINDS: Final = frozenset(kind.value for kind in Kind)
_WANTS: Final[Mapping[int, Any]] = {
    Kind.ANSWER: _answer_wants,
    Kind.OPENED: lambda _: (WantLeastProfile(),),
    Kind.EXPIRED: lambda _: (WantPresence(),),
    Kind.NOT_WRITTEN: lambda entry: (WantCommand(entry.body.command_id),),
    Kind.REQUEST: _request_wants,
}


@cache
def _actions() -> frozenset[str]:
    """Return the actions that may be labels: those of every protocol that has handlers."""
    return frozenset().union(*(protocol_of(name).actions.requests for name in PACKAGES))


def _decode_call(data: bytes) -> frames.Call | FrameError:
    try:
        frame = frames.decode(data)
    except FrameError as error:
        return error
    if isinstance(frame, frames.Call):
        return frame
    return BadEnvelope("the frame is no CALL", message_id=frame.message_id)


def _decode_answer(data: bytes) -> frames.CallResult | frames.CallError | FrameError:
    try:
        frame = frames.decode(data)
    except FrameError as error:
        return error
    if isinstance(frame, (frames.CallResult, frames.CallError)):
        return frame
    return BadEnvelope("the frame is no answer")
