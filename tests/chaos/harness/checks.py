"""The auditor: what the stations know against what the system holds, invariant by invariant.

    I1 I2 I3 I5 I6   transactions: `ampstream.simulate.audit`, ledger against API
    I2               as many transactions as starts; each has one `started` and, once closed, one `ended` event by id
    I4               effects in the order in which the station sent them
    I7               presence is what the sockets are, one owner
    I8               in `orders`: a command is executed at most once, on the owner's socket, and ends once
    I9               streams, pending lists, attempt counters and outboxes are back at their baseline
    I10              nothing waits unacknowledged, no station is stuck

Each check returns violations that name their invariant; none of them is a mere timeout.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from ampstream.simulate.audit import Stored, audit
from ampstream.simulate.ledger import START, Book
from shared import envelopes
from shared.bus import keys
from shared.envelopes import Kind
from tests.chaos.harness.charger import Charger
from tests.chaos.harness.operator import Operator
from tests.support import stood_still

UNACKNOWLEDGED_S: Final = 2.0
"""An entry that waits longer is stuck: twice the scaled claim time."""
LOOK_S: Final = 0.05
LONG_LOOK_S: Final = 0.5
STILL_S: Final = 5.0


Idle = tuple[str, int, int]
"""A register that a station read while nobody charged: station, time (ms), Wh."""


class Violation(msgspec.Struct, frozen=True):
    """One broken invariant."""

    invariant: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.detail}"


def broken(violations: Iterable[Violation]) -> set[str]:
    """Return the names of the broken invariants."""
    return {violation.invariant for violation in violations}


async def everything(operator: Operator, book: Book, chargers: Sequence[Charger], client: Any) -> list[Violation]:
    """Audit what every fault must leave in order: I1 to I6 of all chargers, and I10."""
    found = await transactions(operator, book)
    for charger in chargers:
        found += await order(operator, charger)
    return found + await liveness(client)


async def transactions(
    operator: Operator, book: Book, station_id: str = "", idle: Collection[Idle] = ()
) -> list[Violation]:
    """Audit I1, I2, I3, I5 and I6 of all stations of a ledger (or of one station)."""
    snapshot = await operator.snapshot(station_id)
    if idle and snapshot.readings is not None:
        owners = {one.id: one.station_id for one in snapshot.transactions}
        readings = {
            number: tuple(one for one in some if (owners[number], one.taken_at, one.meter_wh) not in idle)
            for number, some in snapshot.readings.items()
        }
        snapshot = msgspec.structs.replace(snapshot, readings=readings)
    found = [Violation(one.invariant, f"{one.station} {one.subject}", one.detail) for one in audit(book, snapshot)]
    found += _count(book, snapshot.transactions)
    events = operator.events(station_id)
    return found + list(_starts(events)) + list(_events(events, snapshot.transactions))


def given_up(book: Book) -> list[Violation]:
    """Audit I10: no station gave a report up because nobody answered it; nothing else will ever tell of it."""
    return [
        Violation("I10", logical.start.key, f"its {what} was given up after its attempts")
        for logical in book.transactions.values()
        for what in sorted(logical.dropped)
    ]


def _starts(events: Iterable[dict[str, Any]]) -> Iterator[Violation]:
    """I2 by event: no start became two transactions, not even one that is gone by now."""
    numbers: dict[tuple[Any, ...], set[int]] = {}
    for event in events:
        if event["type"] == "transaction.started":
            start = tuple(event[name] for name in ("station_id", "connector_id", "started_at", "meter_start_wh"))
            numbers.setdefault(start, set()).add(event["transaction_id"])
    for start, found in numbers.items():
        if len(found) > 1:
            yield Violation("I2", str(start[0]), f"one start became the transactions {sorted(found)}")


def _count(book: Book, stored: Sequence[Stored]) -> Iterator[Violation]:
    """I2 by number: of each station as many transactions as starts that were answered, no more than were sent."""
    sent = Counter(one.start.station for one in book.transactions.values() if START in one.sent)
    answered = Counter(one.start.station for one in book.transactions.values() if START in one.acked)
    there = Counter(one.station_id for one in stored)
    for station in sent | there:
        if not answered[station] <= there[station] <= sent[station]:
            said = f"{sent[station]} starts sent, {answered[station]} answered"
            yield Violation("I2", station, f"{said}, {there[station]} transactions stored")


async def listed(operator: Operator, book: Book, station_id: str) -> list[Violation]:
    """Audit I2 of one station's own list, which needs nothing but the commits: as many transactions as starts."""
    starts = [one for one in book.of_station(station_id) if START in one.sent]
    found = await operator.items("/transactions", station_id=station_id)
    if len(found) <= len(starts):
        return []
    return [Violation("I2", station_id, f"{len(starts)} starts sent, listed are {[one['id'] for one in found]}")]


def _events(events: list[dict[str, Any]], stored: Iterable[Stored]) -> Iterator[Violation]:
    """Each transaction's own events: begin and end once, in the order of their times.

    They may arrive in another: what a worker had committed and not published when it died comes when another takes its
    entries over, by when the station may have reported more over a new connection.
    """
    by_transaction: dict[int, list[dict[str, Any]]] = {}
    for event in sorted(events, key=lambda one: int(one["at"])):
        if event["type"] in ("transaction.started", "transaction.updated", "transaction.ended"):
            by_transaction.setdefault(int(event["transaction_id"]), []).append(event)
    for one in stored:
        subject = f"{one.station_id} #{one.id}"
        kinds = [event["type"].removeprefix("transaction.") for event in by_transaction.pop(one.id, [])]
        ends = 1 if one.state == "closed" else 0
        if kinds.count("started") != 1 or kinds.count("ended") != ends:
            yield Violation("I2", subject, f"{one.state}, and its events are {kinds}")
        elif kinds[0] != "started" or (ends and kinds[-1] != "ended"):
            yield Violation("I4", subject, f"its events came as {kinds}")
    for number in by_transaction:
        yield Violation("I6", f"#{number}", "has events and is not stored")


async def order(operator: Operator, charger: Charger) -> list[Violation]:
    """Audit I4 of a charger's statuses: the events tell them in its order, and the last one stands."""
    found: list[Violation] = []
    events = [one for one in operator.events(charger.station_id) if one["type"] == "connector.status"]
    connectors = (await operator.get(f"/stations/{charger.station_id}/connectors"))["items"]
    stands = {one["connector_id"]: one["status"] for one in connectors}
    for number in {said.connector for said in charger.statuses}:
        said = [each.status for each in charger.statuses if each.connector == number]
        told = [one["status"] for one in events if one["connector_id"] == number]
        subject = f"{charger.station_id}/{number}"
        if told != [status for status, _ in groupby(said)]:
            found.append(Violation("I4", subject, f"said {said}, events tell {told}"))
        if stands.get(number) != said[-1]:
            found.append(Violation("I4", subject, f"said {said[-1]} last, stored is {stands.get(number)}"))
    return found


async def presence(operator: Operator, station_id: str, expected: str, within_s: float) -> list[Violation]:
    """Audit I7: the station is shown as `expected` within so many seconds."""
    deadline = (asked := time.monotonic()) + within_s
    while (state := (await operator.station(station_id))["state"]) != expected:
        if asked > deadline:
            return [Violation("I7", station_id, f"is shown {state} after {within_s:g} s and is {expected}")]
        await asyncio.sleep(LOOK_S)
        # A look that takes longer than most tells of a machine that stood still: the system has that time too.
        deadline += min(stood_still(asked, LONG_LOOK_S), STILL_S)
        asked = time.monotonic()
    return []


def owners(sockets: Sequence[Any], station_id: str) -> list[Violation]:
    """Audit I7: of the sockets that a station opened one after the other only the last is open."""
    alive = [n for n, socket in enumerate(sockets) if socket.connected]
    if alive == [len(sockets) - 1]:
        return []
    return [Violation("I7", station_id, f"of {len(sockets)} sockets, {alive} are open")]


async def liveness(client: Any, within_s: float = 5.0) -> list[Violation]:
    """Audit I10: within so many seconds all is settled, or at least nothing waits longer than `UNACKNOWLEDGED_S`."""
    deadline = time.monotonic() + within_s
    while found := list(_waiting(client)):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    return [violation for age_s, violation in found if age_s > UNACKNOWLEDGED_S]


def _waiting(client: Any) -> Iterator[tuple[float, Violation]]:
    """Yield every entry on the uplinks with its age, but canaries on their way."""
    seconds, micros = client.time()
    now_ms = seconds * 1000 + micros // 1000
    for partition in range(int(client.get(keys.META_PARTITIONS) or 0)):
        stream = keys.uplink(partition)
        for entry_id, fields in client.xrange(stream):
            age_s = (now_ms - int(entry_id.partition(b"-")[0])) / 1000
            entry = envelopes.decode_uplink(fields[envelopes.FIELD])
            if entry.kind != Kind.CANARY or age_s > UNACKNOWLEDGED_S:
                what = f"{Kind(entry.kind).name} {entry.epoch}/{entry.call_seq}"
                detail = f"{what} waits unacknowledged for {age_s:.1f} s"
                yield age_s, Violation("I10", entry.station or stream, detail)


async def bounds(client: Any, nodes: int, within_s: float = 10.0) -> list[Violation]:
    """Audit I9 of a system at rest: nothing is left behind of what went through it."""
    deadline = time.monotonic() + within_s
    while found := list(_left(client, nodes)):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.2)
    return found


def _left(client: Any, nodes: int) -> Iterator[Violation]:
    for partition in range(int(client.get(keys.META_PARTITIONS) or 0)):
        # One canary of each edge may just be on its way.
        if (length := client.xlen(keys.uplink(partition))) > nodes:
            yield Violation("I9", keys.uplink(partition), f"holds {length} entries at rest")
        if left := client.hlen(keys.attempts(partition)):
            yield Violation("I9", keys.attempts(partition), f"counts {left} entries that are settled")
    if (known := client.zcard(keys.NODES)) > nodes:
        yield Violation("I9", keys.NODES, f"knows {known} nodes, {nodes} live")
    downlinks = list(client.scan_iter("downlink:*"))
    if len(downlinks) > nodes:
        yield Violation("I9", "downlinks", f"{len(downlinks)} streams for {nodes} nodes")
    for key in client.scan_iter("s:*:state"):
        boxes = [field for field in client.hkeys(key) if field.startswith(b"o:") and b"-" in field]
        if boxes:
            yield Violation("I9", key.decode(), f"keeps the outboxes {boxes} of settled entries")


async def told_offline(operator: Operator, station_id: str, within_s: float = 5.0) -> list[Violation]:
    """Audit I7: that a station went offline once is told once, within so many seconds of its being shown offline.

    It is shown so as soon as its key is gone; the sweep finds that, and says so, a moment later.
    """
    deadline = (asked := time.monotonic()) + within_s
    while not (told := _told_offline(operator, station_id)) and asked <= deadline:
        await asyncio.sleep(LOOK_S)
        deadline += min(stood_still(asked, LONG_LOOK_S), STILL_S)
        asked = time.monotonic()
    return [] if len(told) == 1 else [Violation("I7", station_id, f"went offline once, and {len(told)} events say so")]


def never_told_offline(operator: Operator, station_id: str) -> list[Violation]:
    """Audit I7: of a station that always had a socket no event ever said that it went offline."""
    whys = [f"{one['cause']} at {one['at']}" for one in _told_offline(operator, station_id)]
    return [Violation("I7", station_id, f"was never offline, and events say so: {whys}")] if whys else []


def _told_offline(operator: Operator, station_id: str) -> list[dict[str, Any]]:
    return [one for one in operator.events(station_id) if one["type"] == "station.offline"]


async def steady(operator: Operator, station_id: str, expected: str, for_s: float) -> list[Violation]:
    """Audit I7: the station is shown as `expected` all the time, and no event says otherwise."""
    begun, before = time.monotonic(), len(operator.events(station_id))
    while time.monotonic() < begun + for_s:
        if (state := (await operator.station(station_id))["state"]) != expected:
            return [Violation("I7", station_id, f"is shown {state} and is {expected}")]
        await asyncio.sleep(0.1)
    said = [one["type"] for one in operator.events(station_id)[before:] if one["type"] == "station.offline"]
    return [Violation("I7", station_id, "an event says that it went offline")] if said else []


def sound(violations: Sequence[Violation]) -> None:
    """Fail the test with every violation, one a line."""
    assert not violations, "\n".join(["the system broke its promises:", *map(str, violations)])
