"""Probes end to end: a good, a mediocre and a bad simulated model; a worker killed in the middle; an abort.

With `PROBE_REPORTS=docs/probes` the reports of the three are written there; else they must say the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec

from ampstream.simulate.fleet import Fleet
from ampstream.simulate.ledger import MemoryLedger
from ampstream.simulate.makes import MAKES
from ampstream.simulate.models import BY_NAME
from ampstream.simulate.profiles import PROFILES
from ampstream.simulate.station import CsmsCall
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from tests.chaos.harness.charger import now_ms
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System, running
from tests.e2e.field import Field
from tests.e2e.test_tour import _cli, _json
from tests.support import wait_until
from tests.workers.probing.modelled import Modelled

DOCS: Final = Path(__file__).parents[2] / "docs" / "probes"
WRITE: Final = os.environ.get("PROBE_REPORTS")
NAMES: Final = ("good", "mediocre", "bad")
IDLE: Final = msgspec.structs.replace(PROFILES["steady"], arrival=lambda _: 1e6)
"""No car comes."""


@contextlib.asynccontextmanager
async def idle(system: System, names: dict[str, str]) -> AsyncIterator[None]:
    """Have a simulated station of each make dial in; no car comes. `names`: station -> make."""
    wheel = LoopWheel()
    world = World(wheel, IDLE, speed=1, ledger=MemoryLedger())
    urls = [Endpoint.parse(url) for url in system.station_urls]
    behaviours = {station: MAKES[make] for station, make in names.items()}
    fleet = Fleet(world, list(names), urls, behaviours=behaviours, model=BY_NAME["Home 11"], connect_rate=0)
    fleet.start()
    try:
        yield
    finally:
        await fleet.close()
        wheel.stop()


async def read(operator: Operator, station: str) -> None:
    """Wait until a station's configuration is known: what it says of itself is what a probe holds it against."""

    async def asked() -> bool:
        return (await operator.request("POST", f"/stations/{station}/configuration/read"))[0] == 202

    async def known() -> bool:
        status, body = await operator.request("GET", f"/stations/{station}/configuration")
        return status == 200 and bool(body["keys"])

    await wait_until(asked)
    await wait_until(known)


async def ended(operator: Operator, station: str) -> dict[str, Any]:
    """Return a station's probe once it is over."""

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = await operator.get(f"/stations/{station}/probe")
        return found if found["ended_at"] else None

    found = await wait_until(look, 60)
    assert found is not None
    return found


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    """Return what each check came to."""
    return {one["check"]: one["verdict"] for one in report["checks"]}


def tables(text: str) -> list[str]:
    """Return a report's tables: what it found, without times and messages."""
    return [line for line in text.splitlines() if line.startswith("|")]


async def test_three_makes(system: System, operator: Operator) -> None:
    """Each is probed, its abilities are the model's, the validator keeps to them, and what was there is put back."""
    stations = {f"PROBE-{name}": f"{name}-profiles" for name in NAMES}
    async with idle(system, stations):
        for station in stations:
            await read(operator, station)
        good = "PROBE-good"
        profile = {"profile": {"purpose": "station_max", "periods": [{"limit": 14}]}}
        assert (await operator.request("POST", f"/stations/{good}/charging-profiles", json=profile))[0] == 202
        await wait_until(lambda: state_of(operator, good, "verified"))
        (begun,) = await _json(operator, "probe", good)
        assert (begun["state"], begun["checks_done"]) == ("complete", begun["checks"])
        assert await state_of(operator, good, "verified")
        (job,) = await _json(operator, "probe", "start", "--stations", ",".join(list(stations)[1:]))
        assert (job["kind"], {name: n for name, n in job["outcomes"].items() if n}) == ("probe", {"accepted": 2})
        for station, make in stations.items():
            assert (await ended(operator, station))["state"] == "complete"
            text = await _cli(operator, "probe", "report", station)
            await compared(operator, station, make, text)
        found = verdicts(await operator.get(f"/stations/{good}/probe/report"))
        assert not [check for check, verdict in found.items() if verdict == "failed"]
        await learned(operator)


async def compared(operator: Operator, station: str, make: str, text: str) -> None:
    """Hold a report against the one in the documentation, or write it there; its JSON says the same."""
    file = DOCS / f"{make.removesuffix('-profiles')}.md"
    if WRITE:
        note = "<!-- Written by a run of tests/e2e/test_probe.py with PROBE_REPORTS; its tables are checked. -->"
        (Path(WRITE) / file.name).write_text(f"{note}\n\n{text}")
    assert tables(text) == tables(file.read_text()), f"{file} is not what a run finds: PROBE_REPORTS writes it"
    report = await operator.get(f"/stations/{station}/probe/report")
    assert all(one["sections"] and one["standard"] for one in report["checks"])
    first = report["checks"][0]["messages"][0]
    assert (first["action"], first["sent"]) == ("ClearChargingProfile", {})
    assert first["answer"]["status"] in ("Accepted", "Unknown")


async def learned(operator: Operator) -> None:
    """The mediocre model's abilities are shown, and what it does not take is refused before it is sent."""
    page = await operator.get("/models", vendor="Middling")
    shown = await operator.get(f"/models/{page['items'][0]['key']}")
    charging = shown["charging"]
    assert "kinds not served" in await _cli(operator, "models", "show", shown["key"])
    assert (charging["max_stack_level"], charging["max_periods"], charging["units"]) == (0, 6, ["A"])
    assert (charging["zero"], charging["clears"], charging["refused_kinds"]) == ("refused", ["all"], ["relative"])
    body = {"profile": {"periods": [{"limit": 10}], "stack_level": 1}}

    async def refused() -> bool:  # Each worker looks every few seconds at what probes have shown.
        status, problem = await operator.request("POST", "/stations/PROBE-mediocre/charging-profiles", json=body)
        return status == 422 and "highest is 0" in problem["detail"]

    await wait_until(refused, interval_s=0.5)


async def state_of(operator: Operator, station: str, state: str) -> bool:
    """Tell whether all profiles of a station are in a state, and there are some."""
    page = await operator.get(f"/stations/{station}/charging-profiles")
    return bool(page["items"]) and all(one["state"] == state for one in page["items"])


def answered(model: Modelled, call: CsmsCall) -> dict[str, Any]:
    """Return what a model answers."""
    found = model.answer(call.action, call.payload, now_ms())
    assert isinstance(found, dict)
    return found


def modelled(system: System, station: str, model: Modelled, by_hand: asyncio.Event | None = None) -> Field:
    """Return a station that answers as its model does; by hand, while that is set."""

    def answer(call: CsmsCall) -> dict[str, Any] | None:
        return None if by_hand is not None and by_hand.is_set() else answered(model, call)

    return Field(system, station, on_call=answer)


async def test_a_transaction_is_compared_and_an_abort(system: System, operator: Operator) -> None:
    """A running transaction is refused, compared where that is wanted; an abort puts back what was there."""
    model = Modelled()
    async with modelled(system, "PROBE-TX", model) as field:
        await field.boot()
        body = {"profile": {"periods": [{"limit": 10}]}}
        assert (await operator.request("POST", f"/stations/{field.id}/charging-profiles", json=body))[0] == 202
        await wait_until(lambda: state_of(operator, field.id, "verified"))
        model.transaction_id = await field.start()
        status, problem = await operator.request("POST", f"/stations/{field.id}/probe", json={})
        assert (status, f"transaction {model.transaction_id} runs" in problem["detail"]) == (409, True)
        text = await _cli(operator, "probe", "start", field.id, "--with-transaction", "--settle-s", "600", "--no-wait")
        assert "begun" in text

        async def looks() -> bool:
            return str((await operator.get(f"/stations/{field.id}/probe"))["check"]) == "obeys"

        await wait_until(looks, 30)
        await _cli(operator, "probe", "abort", field.id)
        found = await ended(operator, field.id)
        assert (found["state"], found["why"].startswith("aborted by")) == ("aborted", True)
        assert [one.periods[0].limit for one in model.held.values()] == [100]
        report = verdicts(await operator.get(f"/stations/{field.id}/probe/report"))
        assert (report["transaction"], report["obeys"]) == ("passed", "untested")
        assert "aborted" in await _cli(operator, "probe", "show", field.id)
        await field.stop(model.transaction_id)


async def test_a_worker_is_killed_in_the_middle(tmp_path: Path) -> None:
    """kill -9 of the only worker while it probes, and while it restores: another goes on, nothing is left behind."""
    model = Modelled(clears=("id",))
    async with running(tmp_path, edges=1, workers=1, settings={"PARTITIONS": "1"}) as system:
        operator, by_hand = system.operator(), asyncio.Event()
        async with modelled(system, "PROBE-KILL", model, by_hand) as field:
            await field.boot()
            body = {"profile": {"periods": [{"limit": 10}]}}
            assert (await operator.request("POST", f"/stations/{field.id}/charging-profiles", json=body))[0] == 202
            await wait_until(lambda: state_of(operator, field.id, "verified"))
            assert (await operator.request("POST", f"/stations/{field.id}/probe", json={}))[0] == 202

            async def at(state: str, messages: int = 0) -> bool:
                found = await operator.get(f"/stations/{field.id}/probe")
                assert found["state"] in ("probing", "restoring"), found
                return bool(found["state"] == state and found["messages"] >= messages)

            await wait_until(lambda: at("probing", 25))
            await killed(system)
            before = (await operator.get(f"/stations/{field.id}/probe"))["messages"]
            await wait_until(lambda: at("probing", before + 5), 30)
            by_hand.set()
            call = await field.command()
            assert (await operator.request("DELETE", f"/stations/{field.id}/probe"))[0] == 202
            field.station.answer(call, answered(model, call))
            await wait_until(lambda: at("restoring"))
            await killed(system)
            by_hand.clear()
            call = await field.command()
            field.station.answer(call, answered(model, call))
            assert (await ended(operator, field.id))["why"].startswith("aborted by")
            await wait_until(lambda: state_of(operator, field.id, "verified"))
            assert [one.periods[0].limit for one in model.held.values()] == [100]


async def killed(system: System) -> None:
    """Kill the only worker, and start it again."""
    (worker,) = system.workers
    worker.kill()
    await system.restart(worker)
