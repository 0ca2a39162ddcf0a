"""Demand response end to end: an event over the command line, simulated cars that obey it or not, and the report."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from ampstream.simulate.behaviours import BEHAVIOURS, PLAIN, Behaviour
from ampstream.simulate.drawlog import DrawLog
from ampstream.simulate.fleet import Fleet
from ampstream.simulate.models import BY_NAME
from ampstream.simulate.physics import Charge, Outlet
from ampstream.simulate.profiles import Plan, Profile
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from shared.ocpp.v16.enums import Reason
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.e2e.test_tour import _cli, _json
from tests.support import wait_until
from tests.vtn import LittleVtn, vtn_event

OBEYS, IGNORES = "DEMAND-1", "DEMAND-2"


def _plan(_random: Random, outlet: Outlet, tags: Sequence[str]) -> Plan:
    """Return a car of 11 kW that comes at once and stays."""
    car = Charge(outlet, phases=3, capacity_wh=60_000, soc_start=20, knee_soc=90, plateau_w=11_040)
    return Plan(id_tag=tags[0], charge=car, prepare_s=0.1, stay_s=3600, reason=Reason.LOCAL, finish_s=0.1, gap_s=3600)


CARS = Profile(name="eager", summary="cars that come at once", arrival=lambda _random: 0.1, plan=_plan)


async def test_prices_from_a_file(system: System, operator: Operator, tmp_path: Path) -> None:
    """Prices are written from a file of CSV and shown again, over the command line."""
    file = tmp_path / "prices.csv"
    file.write_text("start,end,price\n2099-01-01T00:00:00Z,2099-01-01T01:00:00Z,0.31\n")
    assert "1 price written" in await _cli(operator, "prices", "put", str(file), "--area", "e2e", "--currency", "EUR")
    shown = await _cli(operator, "prices", "show", "e2e")
    assert "EUR/kWh" in shown
    assert "0.31" in shown


@contextlib.asynccontextmanager
async def charging(system: System, behaviours: Mapping[str, Behaviour]) -> AsyncIterator[tuple[World, DrawLog]]:
    """Let a car charge at a station of each behaviour; gives their world, and what they truly draw."""
    wheel, drawn = LoopWheel(), DrawLog()
    world = World(wheel, CARS, draws=drawn, tags=("DEMANDTAG",))
    urls = [Endpoint.parse(url) for url in system.station_urls]
    fleet = Fleet(world, list(behaviours), urls, behaviours=behaviours, model=BY_NAME["Home 11"], connect_rate=0)
    for station in fleet.stations:
        station.configuration.set("MeterValueSampleInterval", "1")
    fleet.start()
    try:
        await wait_until(lambda: world.counters.started == len(behaviours))
        yield world, drawn
    finally:
        await fleet.finish(20)
        await fleet.close()
        wheel.stop()


async def test_a_site_keeps_to_an_event(system: System, operator: Operator) -> None:
    """A site's cars draw what its circuit takes, and no more than an event leaves of it once that runs."""
    names = [f"DEMAND-SITE-{number}" for number in (1, 2)]
    async with charging(system, dict.fromkeys(names, PLAIN)) as (world, drawn):
        site = {
            "circuits": [{"name": "main", "capacity": {"amps": 24}}],
            "stations": [{"id": name, "circuit": "main"} for name in names],
        }
        status, made = await operator.request("PUT", "/sites/demand", json=site)
        assert status == 201, made

        def amps() -> float:
            now = world.wall_ms()
            return max(map(sum, zip(*(drawn.amps(name, now) for name in names), strict=True)))

        await wait_until(lambda: 20 < amps() <= 24.01, 40)
        (event,) = await _json(operator, "demand", "add", "--site", "demand", "--amps", "14", "--minutes", "5")
        await wait_until(lambda: 10 < amps() <= 14.01, 30)
        await operator.request("POST", f"/demand-events/{event['id']}/cancel")
        assert (await operator.request("DELETE", "/sites/demand"))[0] == 204


async def test_who_complied(system: System, operator: Operator) -> None:
    """The station that obeys keeps to the limit while the event runs, and the report tells it from the other."""
    async with charging(system, {OBEYS: PLAIN, IGNORES: BEHAVIOURS["ignores-limits"]}) as (world, drawn):
        end = datetime.now(UTC) + timedelta(seconds=24)
        (made,) = await _json(
            operator, "demand", "add", "--station", OBEYS, "--station", IGNORES, "--kw", "5", "--end", end.isoformat(),
            "--name", "evening peak",
        )  # fmt: skip

        async def taken() -> bool:
            report = await operator.get(f"/demand-events/{made['id']}/report")
            return [one["outcome"] for one in report["stations"]] == ["taken", "taken"]

        await wait_until(taken)
        began = datetime.now(UTC)
        await wait_until(lambda: drawn.power_w(IGNORES, world.wall_ms()) > 9000)
        # In its second half stations are held to it: some of that is to be measured, and some left to cancel in.
        await wait_until(lambda: datetime.now(UTC) > end - timedelta(seconds=8))
        since = round(began.timestamp() * 1000) + 5000
        assert max(drawn.power_w(OBEYS, at) for at in range(since, world.wall_ms(), 250)) <= 5001
        await _cli(operator, "demand", "cancel", made["id"])

        async def concluded() -> bool:
            report = await operator.get(f"/demand-events/{made['id']}/report")
            return [one["complied"] for one in report["stations"]] == [True, False]

        await wait_until(concluded)
        assert "evening peak" in await _cli(operator, "demand", "list", "--state", "cancelled")
        text = await _cli(operator, "demand", "report", made["id"])
        assert "1 complied, 1 did not" in text
        assert "evening peak" in text

        async def let_go() -> bool:
            page = await operator.get(f"/stations/{OBEYS}/charging-profiles")
            return not page["items"]

        await wait_until(let_go)


async def test_a_vtn_lowers_a_site_and_tells_prices(system: System, operator: Operator) -> None:
    """A VTN's limit holds until it is cancelled and is reported on; its prices stand as long as it tells them."""
    name = "OPENADR-1"
    port = int(system.environ["AMPSTREAM_OPENADR_URL"].split(":")[2].partition("/")[0])
    async with charging(system, {name: PLAIN}) as (world, drawn), LittleVtn().serving(port) as vtn:
        site = {
            "circuits": [{"name": "main", "capacity": {"amps": 32}}],
            "stations": [{"id": name, "circuit": "main"}],
            "command_interval_s": 1,
            "price_area": "north",
        }
        status, made = await operator.request("PUT", "/sites/openadr", json=site)
        assert (status, made["price_area"]) == (201, "north")

        def watts() -> float:
            return drawn.power_w(name, world.wall_ms())

        async def told() -> list[float]:
            status, found = await operator.request("GET", "/prices/north")
            return [one["price"] for one in found["intervals"]] if status == 200 else []

        await wait_until(lambda: watts() > 7000, 40)
        whom = [{"type": "RESOURCE_NAME", "values": ["openadr"]}]
        limit = vtn_event(
            "DISPATCH_SETPOINT", 6, units="KW", id="limit", targets=whom, reportDescriptors=[{"payloadType": "USAGE"}],
            intervalPeriod={"start": "0001-01-01T00:00:00Z", "duration": "PT5M"},
        )  # fmt: skip
        vtn.events = [limit, vtn_event("PRICE", 0.4, 0.1, units="KWH", id="prices", targets=whom)]
        await wait_until(lambda: 4000 < watts() <= 6001, 40)
        await wait_until(lambda: told_is(told, [0.4, 0.1]))
        (event,) = [one for one in await operator.items("/demand-events") if one["source"] == "openadr"]
        await _cli(operator, "demand", "cancel", event["id"])
        await wait_until(lambda: bool(vtn.reports))
        assert vtn.reports[0]["eventID"] == "limit"
        vtn.events = [limit, vtn_event("PRICE", 0.2, units="KWH", id="prices", targets=whom)]
        await wait_until(lambda: told_is(told, [0.2]))
        vtn.events = []
        await wait_until(lambda: told_is(told, []))
        assert (await operator.request("DELETE", "/sites/openadr"))[0] == 204


async def told_is(told: Callable[[], Awaitable[list[float]]], wanted: list[float]) -> bool:
    """Tell whether exactly these prices are known."""
    return await told() == wanted
