"""What operators ask of stations, and the auditor of it: I8, journal against system.

executed at most once, and never over a socket that a newer one had superseded
exactly one terminal state, in the record and by event, and it tells what the station did
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final

from shared.records.commands import TERMINAL
from tests.chaos.harness.checks import Violation
from tests.chaos.harness.journal import Asked, Connected, Entry, Executed, Journal
from tests.chaos.harness.operator import Operator
from tests.support import wait_until

AGAIN_S: Final = 0.2
ENDED_S: Final = 10.0
TOLD_S: Final = 5.0
BIG: Final = 64 * 1024


async def send(
    operator: Operator, journal: Journal, station_id: str, action: str, payload: dict[str, Any] | None = None,
    *, expires_in_s: int = 600,
) -> str:  # fmt: skip
    """Ask for a command until the system promises it, each time with the same Idempotency-Key; returns its id."""
    key = secrets.token_hex(8)
    body = {"action": action, "payload": payload or {}, "expires_in_s": expires_in_s}
    while True:
        status, found = await operator.request(
            "POST", f"/stations/{station_id}/commands", json=body, headers={"Idempotency-Key": key}
        )
        if status in (200, 202):
            journal.note(Asked(station_id, found["id"], action))
            return str(found["id"])
        assert status in (503, 504), (status, found)
        await asyncio.sleep(AGAIN_S)


def change(key: str, value: str = "1") -> dict[str, Any]:
    """Return the payload of a ChangeConfiguration, which is never sent again once its fate is unknown."""
    return {"key": key, "value": value}


def executed(journal: Journal, action: str = "") -> list[Executed]:
    """Return what was executed so far."""
    return [one for one in journal.read() if isinstance(one, Executed) and action in ("", one.action)]


async def until(operator: Operator, station_id: str, command_id: str, *states: str) -> dict[str, Any]:
    """Wait until a command is in one of these states and return its record."""

    async def look() -> dict[str, Any] | None:
        record: dict[str, Any] = await operator.get(f"/stations/{station_id}/commands/{command_id}")
        return record if record["state"] in states else None

    found = await wait_until(look, ENDED_S, AGAIN_S / 4)
    assert found is not None
    return found


async def audit(operator: Operator, journal: Journal, within_s: float = ENDED_S) -> list[Violation]:
    """Audit I8 of every command that was asked for or executed; each has so many seconds to end."""
    entries = journal.read()
    found = list(_executions(entries))
    times = Counter(one.command_id for one in entries if isinstance(one, Executed))
    known = {one.command_id: one.station for one in entries if isinstance(one, (Asked, Executed))}
    deadline = time.monotonic() + within_s
    records = {name: await _ended(operator, station, name, deadline) for name, station in known.items()}
    ended = {name for name, record in records.items() if record["state"] in TERMINAL}
    # A record tells of an end as soon as that is committed, its event a moment later.
    with contextlib.suppress(AssertionError):
        await wait_until(lambda: ended <= _ends(operator).keys(), TOLD_S, AGAIN_S)
    ends = _ends(operator)
    for name, record in records.items():
        found += _outcome(record, ends[name], times[name])
    return found


def _ends(operator: Operator) -> defaultdict[str, list[str]]:
    ends: defaultdict[str, list[str]] = defaultdict(list)
    for event in operator.events():
        if event["type"] == "command.changed" and event["state"] in TERMINAL:
            ends[event["command_id"]].append(event["state"])
    return ends


def _executions(entries: list[Entry]) -> Iterator[Violation]:
    """Go through what happened, in order: which socket was the newest when a command was executed, and how often."""
    newest: dict[str, int] = {}
    times: Counter[str] = Counter()
    for one in entries:
        if isinstance(one, Connected):
            newest[one.station] = one.socket
        elif isinstance(one, Executed):
            subject = f"{one.station} {one.action} {one.command_id}"
            times[one.command_id] += 1
            if times[one.command_id] == 2:
                yield Violation("I8", subject, "was executed more than once")
            if one.socket < newest.get(one.station, 0):
                yield Violation("I8", subject, f"came on socket {one.socket}, of {newest[one.station]}")


async def _ended(operator: Operator, station_id: str, command_id: str, deadline: float) -> dict[str, Any]:
    while True:
        record: dict[str, Any] = await operator.get(f"/stations/{station_id}/commands/{command_id}")
        if record["state"] in TERMINAL or time.monotonic() > deadline:
            return record
        await asyncio.sleep(AGAIN_S)


def _outcome(record: dict[str, Any], ends: list[str], times: int) -> Iterator[Violation]:
    """Compare a record with the events of its end and with how often its station executed it."""
    state = record["state"]
    subject = f"{record['station_id']} {record['action']} {record['id']}"
    if state not in TERMINAL:
        yield Violation("I8", subject, f"has no end: it is {state}")
    elif ends != [state]:
        yield Violation("I8", subject, f"is {state}, and its events tell of the ends {ends}")
    if state == "accepted" and not times:
        yield Violation("I8", subject, "is accepted, and nobody executed it")
    if state in ("expired", "cancelled") and times:
        yield Violation("I8", subject, f"is {state}, and was executed")
