"""Templates end to end: a fleet that deviates in every way is brought in line as far as it goes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint as OcppChargePoint
from ocpp.v16 import call, call_result
from ocpp.v16.datatypes import KeyValue
from ocpp.v16.enums import Action, ConfigurationStatus

from ampstream.simulate.behaviours import BEHAVIOURS, PLAIN, Behaviour
from ampstream.simulate.fleet import Fleet
from ampstream.simulate.keys import Key
from ampstream.simulate.models import MODELS
from ampstream.simulate.profiles import PROFILES
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.deploy.users import denied, with_users
from tests.e2e.field import Field, iso
from tests.e2e.test_interop import Socket
from tests.e2e.test_tour import _cli, _json
from tests.support import lasting, wait_until

SAMPLED = "MeterValuesSampledData"
WANTED = ("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Temperature", "Voltage", "SoC")
FEW = {"Energy.Active.Import.Register", "Power.Active.Import", "Current.Import"}
HOME = next(model for model in MODELS if len(model.outlets) == 1)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running Ampstream that reads configurations after each boot, and reboots what is idle for a second."""
    settings = {"PARTITIONS": "2", "CONFIGURATION_READ_S": "86400", "REBOOT_IDLE_S": "1", "COMMAND_TIMEOUT_S": "5"}
    made = System(
        tmp_path_factory.mktemp("templates") / "system", edges=2, workers=2, settings=settings,
        worker_guards=["points"],
    )  # fmt: skip
    with_users(made)
    try:
        asyncio.run(made.start())
        yield made
        assert not denied(made), "a role lacks a command or key: see deploy/roles.py"
    finally:
        made.close()


@asynccontextmanager
async def fleet(
    system: System, behaviours: dict[str, Behaviour], speed: float = 1.0, firmware: str = "1"
) -> AsyncIterator[Fleet]:
    """Run one station per behaviour, by station id; what one learns of a firmware the next ones of it know."""
    wheel = LoopWheel()
    world = World(wheel, PROFILES["steady"], speed=speed)
    model = msgspec.structs.replace(HOME, firmware=firmware)
    urls = [Endpoint.parse(url) for url in system.station_urls]
    made = Fleet(world, behaviours, urls, model=model, behaviours=behaviours, connect_rate=0)
    made.start()
    try:
        yield made
    finally:
        await made.close()
        wheel.stop()


async def put(operator: Operator, name: str, **body: Any) -> None:
    """Write a template."""
    status, answer = await operator.request("PUT", f"/templates/{name}", json=body)
    assert status in (200, 201), answer


@asynccontextmanager
async def template(operator: Operator, name: str, **body: Any) -> AsyncIterator[None]:
    """Have a template for the length of the block."""
    await put(operator, name, **body)
    try:
        yield
    finally:
        await operator.request("DELETE", f"/templates/{name}")


async def tuning(operator: Operator, station: str) -> dict[str, Any]:
    """Return how a station stands to its templates."""
    found: dict[str, Any] = await operator.get(f"/stations/{station}/tuning")
    return found


async def settled(operator: Operator, station: str, *states: str, since: str = "") -> dict[str, dict[str, Any]]:
    """Wait until it was looked at again and nothing is under way, and it stands as expected; returns its keys."""

    async def look() -> dict[str, Any] | None:
        status, found = await operator.request("GET", f"/stations/{station}/tuning")
        done = status == 200 and found["since"] and found["state"] in states and found["under_way"] is None
        return found if done and found["read_at"] != since else None

    try:
        found = await wait_until(look, interval_s=0.05)
    except AssertionError:
        raise AssertionError(await tuning(operator, station)) from None
    assert found is not None
    return {one["key"]: one for one in found["keys"]}


async def calls(operator: Operator, station: str) -> list[dict[str, Any]]:
    """Return the ChangeConfiguration payloads that a station was sent, the oldest first."""
    found = await operator.items("/commands", station_id=station, action="ChangeConfiguration")
    return [one["payload"] for one in reversed(found)]


async def test_a_fleet_that_deviates(system: System, operator: Operator) -> None:
    """Good, read-only, refusing, dropping, ignoring stations: each is set as far as it goes, and says how far."""
    policy = {"sampled": list(WANTED), "sampled_interval_s": 30}
    names = ("few-measurands", "drops-measurands", "short-lists", "read-only", "loose")
    stations = {f"TPL-{name}": BEHAVIOURS[name] for name in names} | {"TPL-plain": PLAIN}
    wanted = template(operator, "deviating", keys={"ConnectionTimeOut": "45"}, meter_data=policy)
    async with wanted, fleet(system, stations) as running:
        held = {one.station_id: one.configuration for one in running.stations}
        keys = await settled(operator, "TPL-few-measurands", "refused")
        assert keys["ConnectionTimeOut"]["state"] == keys["MeterValueSampleInterval"]["state"] == "in_line"
        assert set(keys[SAMPLED]["taken"]) == FEW
        assert set(held["TPL-few-measurands"].text(SAMPLED).split(",")) == FEW
        assert keys[SAMPLED]["calls"] <= 2 + 2 * 3 * math.ceil(math.log2(len(WANTED)))
        keys = await settled(operator, "TPL-drops-measurands", "refused")
        assert set(keys[SAMPLED]["taken"]) == FEW
        keys = await settled(operator, "TPL-short-lists", "refused")
        assert keys[SAMPLED]["taken"] == list(WANTED[:2])
        keys = await settled(operator, "TPL-read-only", "refused")
        assert keys[SAMPLED]["answer"] == "read-only"
        assert keys["ConnectionTimeOut"]["state"] == "in_line"
        for one in ("TPL-loose", "TPL-plain"):
            await settled(operator, one, "in_line", "refused")
            assert held[one].text("ConnectionTimeOut") == "45"
        table = await _cli(operator, "templates", "status", "deviating", "--state", "refused")
        assert "TPL-read-only" in table
        shown = await operator.get("/templates/deviating")
        assert sum(shown["stations"].values()) == len(stations)


async def test_a_station_that_reverts_is_left_alone(system: System, operator: Operator) -> None:
    """Set after three boots, flagged, and not a fourth time; the next version of the template tries again."""
    name, hard = "TPL-REVERT", {"action": "Reset", "payload": {"type": "Hard"}}
    wanted = template(operator, "reverting", keys={"ConnectionTimeOut": "33"})
    async with wanted, fleet(system, {name: BEHAVIOURS["reverting"]}, speed=60) as running:
        (station,) = running.stations
        looked_at = ""
        for n in range(5):
            if n:
                assert (await operator.request("POST", f"/stations/{name}/commands?wait=60s", json=hard))[0] == 200
                await wait_until(lambda n=n: _boots(operator, name) > n)  # type: ignore[misc]
            await settled(operator, name, "in_line" if n < 3 else "reverting", since=looked_at)
            looked_at = (await tuning(operator, name))["read_at"]
        assert len(await calls(operator, name)) == 3
        assert "reverting:ConnectionTimeOut" in (await operator.station(name))["flags"]
        assert station.configuration.text("ConnectionTimeOut") != "33"
        await put(operator, "reverting", keys={"ConnectionTimeOut": "34"})
        assert (await tuning(operator, name))["state"] == "pending"
        await _cli(operator, "config", "apply", name)
        await settled(operator, name, "in_line")
        assert station.configuration.text("ConnectionTimeOut") == "34"


def _boots(operator: Operator, station: str) -> int:
    return sum(one["type"] == "station.booted" for one in operator.events(station))


async def _open(operator: Operator, station: str) -> list[dict[str, Any]]:
    return await operator.items("/transactions", station_id=station, state="open")


async def test_a_reboot_waits_for_the_car(system: System, operator: Operator, tmp_path: Path) -> None:
    """A key that needs a reboot: none while somebody charges; then softly, and the key is in line after the boot."""
    file, name = tmp_path / "reboots.toml", "TPL-REBOOT"
    file.write_text('[match]\nvendor = ".*"\n[keys]\nNightMode = true\n')
    (made,) = await _json(operator, "templates", "put", str(file))
    assert (made["name"], made["keys"]) == ("reboots", {"NightMode": "true"})
    needs = Behaviour(name="needs", keys={"NightMode": Key("false", "switch", reboot=True)})
    async with fleet(system, {name: needs}, speed=30):
        (running,) = await wait_until(lambda: _open(operator, name))
        keys = await settled(operator, name, "pending")
        assert keys["NightMode"]["needs_reboot"] is True
        await lasting(1.5, "longer than the idle time, while somebody charges")
        stop = {"action": "RemoteStopTransaction", "payload": {"transactionId": running["id"]}}
        assert (await operator.request("POST", f"/stations/{name}/commands?wait=60s", json=stop))[0] == 200
        await wait_until(lambda: _boots(operator, name) == 2)
        keys = await settled(operator, name, "in_line")
        assert "NightMode" in await _cli(operator, "config", "wanted", name)
        assert keys["NightMode"]["needs_reboot"] is False
        resets = await operator.items("/commands", station_id=name, action="Reset")
        assert [one["payload"] for one in resets] == [{"type": "Soft"}]
        ended = await operator.items("/transactions", station_id=name, state="closed")
        assert {one["stop_reason"] for one in ended} == {"Remote"}
    await _cli(operator, "templates", "delete", "reboots", "--yes")
    assert "0 templates" in await _cli(operator, "templates", "list")


async def test_a_worker_that_dies_in_the_middle_of_a_search(system: System, operator: Operator) -> None:
    """kill -9 before and after the commit of a step: the search goes on, and no more is asked than is allowed."""
    name = "TPL-KILL"
    few = Behaviour(measurands=frozenset(FEW), name="few")
    wanted = template(operator, "search", meter_data={"sampled": list(WANTED)})
    for point in ("before_commit", "after_commit"):  # The second hits the worker that takes the first one's entry.
        system.arm(point, "kill", name, "Rejected")
    async with wanted, fleet(system, {name: few}, firmware="kill") as running:
        (station,) = running.stations
        dead = [await system.reached(point, 20) for point in ("before_commit", "after_commit")]
        await system.restart(*dead)
        keys = await settled(operator, name, "refused")
        assert set(station.configuration.text(SAMPLED).split(",")) == FEW
        assert len(await calls(operator, name)) == keys[SAMPLED]["calls"] <= 2 + 2 * 3 * 3


async def test_what_a_model_taught_saves_the_next_station(system: System, operator: Operator) -> None:
    """The second station of a model is set by one call."""
    few = Behaviour(measurands=frozenset(FEW), name="few", values={SAMPLED: "Energy.Active.Import.Register"})
    async with template(operator, "model", meter_data={"sampled": list(WANTED)}):
        for station in ("TPL-FIRST", "TPL-NEXT"):
            async with fleet(system, {station: few}, firmware="model"):
                await settled(operator, station, "refused")
    assert len(await calls(operator, "TPL-NEXT")) == 1


async def serve(field: Field, held: dict[str, str]) -> None:
    """Answer commands about a configuration, for ever."""
    while True:
        asked = await field.command(60)
        payload = asked.payload
        if asked.action == "ChangeConfiguration":
            held[payload["key"]] = payload["value"]
            field.station.answer(asked, {"status": "Accepted"})
        else:
            told = [{"key": key, "readonly": False, "value": held[key]} for key in payload.get("key") or held]
            field.station.answer(asked, {"configurationKey": told})


async def test_a_transaction_says_whether_its_data_met_the_policy(system: System, operator: Operator) -> None:
    """A station that takes a list and does not send all of it: the list is held, and a part undelivered."""
    policy = {"sampled": ["Current.Import", "Voltage"], "sampled_interval_s": 60}
    held = {SAMPLED: "Energy.Active.Import.Register", "MeterValueSampleInterval": "900"}
    async with template(operator, "data", match={"model": "F1"}, meter_data=policy), Field(system, "TPL-DATA") as field:
        serving = asyncio.create_task(serve(field, held))
        await field.boot()
        await settled(operator, field.id, "in_line")
        assert held == {SAMPLED: "Current.Import,Voltage", "MeterValueSampleInterval": "60"}
        number = await field.start(timestamp=iso(-600))
        for minute in range(9):
            sample = {"value": "16", "measurand": "Current.Import", "unit": "A"}
            await field.meter(sample, at=iso(60 * minute - 540), transactionId=number)
        await field.stop(number)
        found = await field.transaction(number)
        assert (found["data_policy"], found["data_missing"]) == ("partly", ["sampled:Voltage"])
        (event,) = await field.events("transaction.data_incomplete")
        assert event["missing"] == ["sampled:Voltage"]
        assert "a part is missing" in await _cli(operator, "transactions", "show", str(number))
        keys = {one["key"]: one for one in (await tuning(operator, field.id))["keys"]}
        assert (keys[SAMPLED]["state"], keys[SAMPLED]["undelivered"]) == ("in_line", ["Voltage"])
        serving.cancel()


class Client(OcppChargePoint):  # type: ignore[misc]  # the package has no types
    """A station that others wrote: it checks every message against its own schemas."""

    def __init__(self, station_id: str, socket: Socket) -> None:
        super().__init__(station_id, socket)
        self.held = {"HeartbeatInterval": "300", SAMPLED: "Energy.Active.Import.Register"}
        self.changes: list[tuple[str, str]] = []

    @on(Action.get_configuration)  # type: ignore[untyped-decorator]
    def on_get_configuration(self, key: list[str] | None = None, **_: Any) -> call_result.GetConfiguration:
        """Tell everything, or what is asked for."""
        known = [KeyValue(key=name, readonly=False, value=self.held[name]) for name in key or self.held]
        return call_result.GetConfiguration(configuration_key=known)

    @on(Action.change_configuration)  # type: ignore[untyped-decorator]
    def on_change_configuration(self, key: str, value: str, **_: Any) -> call_result.ChangeConfiguration:
        """Take what it can measure."""
        self.changes.append((key, value))
        if key == SAMPLED and not set(value.split(",")) <= FEW:
            return call_result.ChangeConfiguration(status=ConfigurationStatus.rejected)
        self.held[key] = value
        return call_result.ChangeConfiguration(status=ConfigurationStatus.accepted)


async def test_a_station_that_others_wrote(system: System, operator: Operator) -> None:
    """The `ocpp` package's ChargePoint is brought in line; all that it was sent passed its schemas."""
    policy = {"sampled": list(WANTED)}
    wanted = template(
        operator, "interop", match={"vendor": "Acme"}, keys={"HeartbeatInterval": "77"}, meter_data=policy
    )
    async with wanted, aiohttp.ClientSession() as http:
        websocket = await http.ws_connect(f"{system.station_url()}/TPL-OTHERS", protocols=["ocpp1.6"])
        client = Client("TPL-OTHERS", Socket(websocket))
        reading = asyncio.create_task(client.start())
        await client.call(call.BootNotification(charge_point_model="One", charge_point_vendor="Acme"))
        await settled(operator, "TPL-OTHERS", "refused")
        assert client.held == {"HeartbeatInterval": "77", SAMPLED: ",".join(one for one in WANTED if one in FEW)}
        assert len(client.changes) == len(await calls(operator, "TPL-OTHERS"))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await websocket.close()
    events = await wait_until(
        lambda: [one for one in operator.events("TPL-OTHERS") if one["type"] == "configuration.tuned"]
    )
    (event,) = events
    assert sorted(event["taken"]) == ["HeartbeatInterval", SAMPLED]
