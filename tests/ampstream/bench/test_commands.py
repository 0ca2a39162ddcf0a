"""The commands' load finds outcomes that are wrong; the processes that count nothing count nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from ampstream.bench.caller import Tally
from ampstream.bench.commands import KEY, Commanded, Operator
from ampstream.bench.metering import counted
from ampstream.bench.system import System
from shared import series
from shared.ocpp import frames

PAYLOAD = {"key": [f"{KEY}1"]}


@pytest.fixture
async def operator() -> AsyncIterator[Operator]:
    """An operator of a system that is never asked."""
    made = Operator(cast("System", SimpleNamespace(api_url="http://127.0.0.1:1", token="t", pids={})), Tally())
    yield made
    await made.http.close()


def asked(station: Commanded, command_id: str) -> str:
    """Let a station answer a command, and return the value that it gave."""
    call = frames.decode(frames.encode_call(command_id, "GetConfiguration", PAYLOAD))
    assert isinstance(call, frames.Call)
    answer = frames.decode(station.reply_to(call))
    assert isinstance(answer, frames.CallResult)
    value: str = msgspec.json.decode(answer.payload)["configurationKey"][0]["value"]
    return value


def record(command_id: str, value: str, **changes: Any) -> dict[str, Any]:
    """What the API says of an accepted command."""
    response = {"configurationKey": [{"key": f"{KEY}1", "readonly": False, "value": value}]}
    return {"id": command_id, "state": "accepted", "payload": PAYLOAD, "response": response} | changes


async def test_a_right_outcome_is_right(operator: Operator) -> None:
    """The value that the station gave to this very command, accepted, in an answer of 200."""
    station = Commanded("CMD-1", operator._tally)
    operator._check(station, 200, record("c1", asked(station, "c1")), PAYLOAD)
    assert operator._tally.problem_count == 0


@pytest.mark.parametrize(
    "changes", [{"state": "queued"}, {"response": None}, {"id": "c2"}, {"id": "c9"}, {"payload": {"key": ["Other"]}}]
)
async def test_wrong_outcomes_are_found(operator: Operator, changes: dict[str, Any]) -> None:
    """An outcome that did not come, that is another command's, or of what nobody sent, is a problem each."""
    station = Commanded("CMD-1", operator._tally)
    value = asked(station, "c1")
    asked(station, "c2")
    operator._check(station, 200, record("c1", value, **changes), PAYLOAD)
    operator._check(station, 202, record("c1", value), PAYLOAD)
    assert operator._tally.problem_count == 2


async def test_a_command_that_comes_twice_is_found(operator: Operator) -> None:
    """The station notices it; what the system asks by itself is not answered with a value."""
    station = Commanded("CMD-1", operator._tally)
    asked(station, "c1")
    asked(station, "c1")
    own = frames.decode(frames.encode_call("s1", "GetConfiguration", {}))
    assert isinstance(own, frames.Call)
    assert b"NotImplemented" in station.reply_to(own)
    assert operator._tally.problem_count == 1


def test_operations_are_read_from_an_exposition() -> None:
    """Observations and increments count, gauges, sums, buckets, joules and other people's families do not."""
    registry = series.Registry()
    seconds, total = registry.histogram("a_seconds", "a").labels(), registry.counter("b_total", "b").labels()
    registry.gauge("c", "c").labels().set(7)
    registry.counter("energy_joules_total", "d").labels().inc(3600)
    for _ in range(3):
        seconds.observe(0.1)
    total.inc()
    assert counted(registry.render() + "python_gc_collections_total 9\n") == 4


def test_the_other_side_counts_nothing() -> None:
    """Run through `unmetered`, no counter, gauge or histogram moves; run plainly, they do (the control)."""
    script = (
        "from shared import metrics; {}\n"
        "metrics.EDGE_FAIL_CLOSED.labels().inc(); metrics.EDGE_DRAINING.labels().set(1)\n"
        "metrics.EDGE_INGEST_SECONDS.labels().observe(1)\n"
        "print(metrics.EDGE_FAIL_CLOSED.labels().value, metrics.EDGE_DRAINING.labels().value, "
        "metrics.EDGE_INGEST_SECONDS.labels().count)"
    )
    found = {}
    for name, setup in (("counted", ""), ("uncounted", "from ampstream.bench import unmetered; unmetered.silence()")):
        command = [sys.executable, "-c", script.format(setup)]
        found[name] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert found == {"counted": "1 1 1", "uncounted": "0 0 0"}
