"""One station in memory: decides entries with the real dispatch, stores what their commits would, turns the clock.

    world = World()
    world.open()                                     # a session, with its OPENED entry
    answer = world.call("Heartbeat", {})             # (3, message_id, payload) or (4, ...), decoded
    draft = world.run(lambda draft: service(draft))  # a service alone, committed
    world.advance(30)                                # seconds; due timers come as WAKEUP entries

State goes through msgpack on every commit, so a record that can't be stored fails here; and what a worker would keep of
it (docs/adr/0007) must equal what it would load, so a decision that changes state in place fails here too. Redis is
a dictionary that knows the handful of commands that decisions use; anything else raises, rather than pass untested.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from shared import envelopes
from shared.bus import keys
from shared.envelopes import Kind, Uplink
from shared.policy import Policy
from shared.records.events import Event
from shared.records.packing import pack
from shared.records.requests import Request
from shared.records.tags import IdTag
from workers.store import loading, wants
from workers.store.draft import Draft, Origin
from workers.store.view import StationView
from workers.store.wants import Missing, Want

START_MS = 1_700_000_000_000
"""2023-11-14T22:13:20Z: where every world's clock begins."""
ATTRIBUTES = tuple(StationView.__annotations__)
"""The sections of a view."""
T = TypeVar("T")


class Memory:
    """A dictionary that answers like Redis, as far as decisions write and the loader reads."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self._stream_ids = itertools.count(1)

    def run(self, name: Any, key: Any, *args: Any) -> Any:
        """Run one command; raises AttributeError for one that is not known here."""
        return getattr(self, f"_{name.lower()}")(key.decode() if isinstance(key, bytes) else key, *args)

    def _set(self, key: str, value: Any, *_options: Any) -> None:
        self.data[key] = _bytes(value)

    def _get(self, key: str) -> Any:
        return self.data.get(key)

    def _del(self, key: str) -> None:
        self.data.pop(key, None)

    def _pexpire(self, key: str, _ttl: int) -> None:
        pass

    def _hset(self, key: str, *pairs: Any) -> None:
        found = self.data.setdefault(key, {})
        for field, value in zip(pairs[::2], pairs[1::2], strict=True):
            found[_text(field)] = _bytes(value)

    def _hget(self, key: str, field: Any) -> Any:
        return self.data.get(key, {}).get(_text(field))

    def _hdel(self, key: str, *fields: Any) -> None:
        for field in fields:
            self.data.get(key, {}).pop(_text(field), None)

    def _zadd(self, key: str, *pairs: Any) -> None:
        found = self.data.setdefault(key, {})
        for score, member in zip(pairs[::2], pairs[1::2], strict=True):
            found[_text(member)] = float(score)

    def _zrevrange(self, key: str, begin: int, end: int) -> list[bytes]:
        found = sorted(self.data.get(key, {}).items(), key=lambda item: (item[1], item[0]), reverse=True)
        return [member.encode() for member, _ in found[begin : end + 1 or None]]

    def _zrange(self, key: str, low: str, high: str, *options: Any) -> list[bytes]:
        """Return members by their texts; all scores are 0."""
        assert options[:3] == ("BYLEX", "LIMIT", 0), "nothing else is asked for"
        found = sorted(_raw(member) for member in self.data.get(key, {}))
        within = [one for one in found if (low == "-" or one > low[1:].encode()) and one < high[1:].encode()]
        return within[: options[3]]

    def _zrem(self, key: str, *members: Any) -> None:
        self._hdel(key, *members)

    def _sadd(self, key: str, *members: Any) -> None:
        self.data.setdefault(key, set()).update(map(_text, members))

    def _srem(self, key: str, *members: Any) -> None:
        self.data.get(key, set()).difference_update(map(_text, members))

    def _hvals(self, key: str) -> list[Any]:
        return list(self.data.get(key, {}).values())

    def _lpush(self, key: str, value: Any) -> None:
        self.data.setdefault(key, []).insert(0, _bytes(value))

    def _ltrim(self, key: str, begin: int, end: int) -> None:
        self.data[key] = self.data.get(key, [])[begin : end + 1]

    def _xadd(self, key: str, *args: Any) -> None:
        """Append `[MAXLEN ~ n] * field value ...`; trimming is ignored."""
        pairs = args[args.index("*") + 1 :]
        entry = (f"{next(self._stream_ids)}-0".encode(), [_bytes(one) for one in pairs])
        self.data.setdefault(key, []).append(entry)

    def _xrange(self, key: str, *_range: Any) -> list[Any]:
        return list(self.data.get(key, []))

    def _xrevrange(self, key: str, *_range: Any) -> list[Any]:
        return list(reversed(self.data.get(key, [])))


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _raw(member: Any) -> bytes:
    return member if isinstance(member, bytes) else str(member).encode()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class World:
    """One station, its state, and what its decisions gave: `events`, `deliveries`, `answers`, `timers`, `counts`."""

    def __init__(self, station_id: str = "CP1", policy: Policy | None = None) -> None:
        self.station_id = station_id
        self.policy = policy or Policy(unknown_stations="accept", unknown_tags="accept")
        self.now = START_MS
        self.memory = Memory()
        self.events: list[Event] = []
        self.deliveries: list[tuple[str, envelopes.Item]] = []
        self.timers: dict[tuple[str, str], int] = {}
        self.counts: list[tuple[str, tuple[str, ...], float]] = []
        self.flags: list[str] = []
        self.epoch = 0
        self.call_seq = 0
        self.node = "edge-1"
        self.slots: dict[str, set[str]] = {}
        self._sections: dict[str, bytes | None] = {}
        self._token: bytes | None = None
        self._entry_ids = itertools.count(1)
        self._transaction_ids = itertools.count(1001)
        self._message_ids = itertools.count(1)

    # ── the state ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def view(self) -> StationView:
        """The state as the next decision sees it, with nothing loaded."""
        return StationView(self.station_id, self._token, dict(self._sections))

    def put_tag(self, tag: IdTag) -> None:
        """Store an id tag's record."""
        self.memory.data[keys.tag(tag.id_tag.lower())] = pack(tag)

    def count(self, metric: str, *labels: str) -> float:
        """Return how far a metric rose, for these labels."""
        return sum(amount for name, found, amount in self.counts if name == metric and found == labels)

    def events_of(self, kind: type[T]) -> list[T]:
        """Return the events of one type, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def items_of(self, kind: type[T]) -> list[T]:
        """Return the downlink items of one type, in order."""
        return [item for _, item in self.deliveries if isinstance(item, kind)]

    # ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────────

    def origin(self, *, epoch: int | None = None, call_seq: int = 0, received_at: int | None = None) -> Origin:
        """Make the origin of a new entry, received now."""
        at = self.now if received_at is None else received_at
        entry_id = f"{at}-{next(self._entry_ids)}"
        return Origin(entry_id, 0, at, self.node, self.epoch if epoch is None else epoch, call_seq)

    def run(self, decider: Callable[[Draft], Any], origin: Origin | None = None) -> Draft:
        """Let a service decide on a draft of its own, load what it misses, and commit."""
        origin = origin or self.origin()

        def attempt(view: StationView) -> Draft:
            draft = Draft(view, origin, self.now, self.policy)
            decider(draft)
            return draft

        draft = self.settle(attempt)
        self.commit(draft)
        return draft

    def settle(self, attempt: Callable[[StationView], Draft], prefetched: dict[Want, Any] | None = None) -> Draft:
        """Decide until nothing is missing, as the consumer does."""
        loaded = dict(prefetched or {})
        for _ in range(32):
            view = self.view
            view.loaded = dict(loaded)
            try:
                return attempt(view)
            except Missing as error:
                if error.want in loaded:
                    raise AssertionError(f"{error.want} was loaded, and is asked for again") from error
                loaded[error.want] = self.load(error.want)
        raise AssertionError("the decision never ends")

    def load(self, want: Want) -> Any:
        """Load what a decision wants."""
        if isinstance(want, wants.WantTransactionId):
            return next(self._transaction_ids)
        if isinstance(want, wants.WantSlot):
            held = self.slots.setdefault(want.id_tag, set())
            granted = want.holder in held or not want.limit or len(held) < want.limit
            if granted:
                held.add(want.holder)
            return granted
        command, parser = loading._READS[type(want)](self.station_id, want)
        return parser(self.memory.run(*command))

    def feed(self, entry: Any) -> Draft:
        """Decide an uplink entry through dispatch and commit it."""
        from workers.dispatch import decide

        prefetched = {want: self.load(want) for want in entry.wants()}
        draft = self.settle(lambda view: decide(entry, view, self.now, self.policy), prefetched)
        self.commit(draft)
        return draft

    def commit(self, draft: Draft) -> None:
        """Store what the draft changes and collect what it owes."""
        state = keys.state(self.station_id)
        if draft.changed or draft.writes:
            self._token = str(next(self._entry_ids)).encode()
        for name, key, *args in draft.writes:
            assert f"{{{self.station_id}}}" in _text(key), "a write that is not the station's own"
            self.memory.run(name, key, *args)
        for field, section in draft.changed.items():
            self._sections[field] = None if section is None else pack(section)
        if "st" in draft.changed and draft.changed["st"] is None:
            self._token = None
            self.memory.data.pop(state, None)
        self._keep(draft)
        outbox = draft.outbox()
        for effect in outbox.effects:
            self.memory.run(*effect)
        for timer in outbox.timers:
            self.timers[timer.name, timer.subject] = timer.due_ms
        for tag, holder in outbox.releases:
            self.slots.get(tag, set()).discard(holder)
        self.events += draft.events
        self.deliveries += draft.deliveries
        self.counts += draft.counts
        self.flags += draft.flags

    def _keep(self, draft: Draft) -> None:
        """Hold what a worker would keep of the state against what it would load."""
        kept, loaded = draft.view, self.view
        kept.advance(b"", draft.changed)
        for name in ATTRIBUTES:
            assert getattr(kept, name) == getattr(loaded, name), f"{name} as kept differs from what is stored"

    # ── entries ──────────────────────────────────────────────────────────────────────────────────────────────────

    def entry(self, kind: Kind, frame: bytes = b"", *, note: str = "", **origin: Any) -> Any:
        """Make an uplink entry of this station as a worker reads it; `origin` as in `World.origin`."""
        from workers.dispatch import Entry

        made = self.origin(**origin)
        uplink = Uplink(envelopes.VERSION, kind, self.station_id, made.node, made.epoch, made.call_seq, frame, note)
        return Entry.read(made.partition, made.entry_id, envelopes.encode(uplink))

    def open(
        self, epoch: int | None = None, *, node: str = "edge-1", subprotocol: str = "ocpp1.6", **body: Any
    ) -> Draft:
        """Register a session and let its OPENED entry be decided."""
        self.epoch = max(self.epoch + 1, self.now) if epoch is None else epoch
        self.node, self.call_seq = node, 0
        self.memory.data[keys.presence(self.station_id)] = f"{node}/{self.epoch}".encode()
        opened = envelopes.SessionOpened(subprotocol, **body)
        return self.feed(self.entry(Kind.OPENED, envelopes.encode(opened)))

    def close(self, epoch: int | None = None, *, reason: str = "gone", code: int = 1006, ours: bool = False) -> Draft:
        """Let a CLOSED entry be decided."""
        body = envelopes.encode(envelopes.SessionClosed(reason, code, ours))
        return self.feed(self.entry(Kind.CLOSED, body, epoch=epoch))

    def expire(self, epoch: int | None = None, cause: str = "expiry", deadline_ms: int = 0) -> Draft:
        """Let the presence key go and an EXPIRED entry be decided."""
        self.memory.data.pop(keys.presence(self.station_id), None)
        body = envelopes.encode(envelopes.Expired(cause, deadline_ms))
        return self.feed(self.entry(Kind.EXPIRED, body, epoch=epoch))

    def call(self, action: str, payload: Any, *, message_id: str = "", epoch: int | None = None) -> Any:
        """Let the station send a CALL; returns the decoded answer frame, or None where none goes out."""
        return self.send_text(
            msgspec.json.encode([2, message_id or f"m{next(self._message_ids)}", action, payload]), epoch=epoch
        )

    def send_text(self, frame: bytes, *, epoch: int | None = None) -> Any:
        """Let the station send a CALL's text as it is; returns the decoded answer frame, or None."""
        self.call_seq += 1
        draft = self.feed(self.entry(Kind.CALL, frame, epoch=epoch, call_seq=self.call_seq))
        return None if draft.answer is None else msgspec.json.decode(draft.answer)

    def answer(self, message_id: str, payload: Any, *, epoch: int | None = None) -> Draft:
        """Let the station answer a command with a CALLRESULT."""
        return self.feed(self.entry(Kind.ANSWER, msgspec.json.encode([3, message_id, payload]), epoch=epoch))

    def request(self, request: Request) -> tuple[int, Any]:
        """Let an operator ask for a change; returns the HTTP status and the decoded body."""
        before = len(self.items_of(envelopes.Reply))
        self.feed(self.entry(Kind.REQUEST, envelopes.encode(request), epoch=0))
        (reply,) = self.items_of(envelopes.Reply)[before:]
        assert reply.request_id == request.request_id
        return reply.status, msgspec.json.decode(reply.body) if reply.body else None

    def advance(self, seconds: float) -> None:
        """Turn the clock; timers that come due are decided in order, at their time."""
        end = self.now + round(seconds * 1000)
        while self.timers and min(self.timers.values()) <= end:
            (name, subject), due = min(self.timers.items(), key=lambda item: (item[1], item[0]))
            del self.timers[name, subject]
            self.now = max(self.now, due)
            body = envelopes.encode(envelopes.Wakeup(name, subject, due))
            self.feed(self.entry(Kind.WAKEUP, body, epoch=0))
        self.now = end
