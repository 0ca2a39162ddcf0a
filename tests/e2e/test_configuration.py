"""Configurations end to end: read after boots, kept, compared, through kills and whatever stations answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import aiohttp
import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint as OcppChargePoint
from ocpp.v16 import call, call_result
from ocpp.v16.datatypes import KeyValue
from ocpp.v16.enums import Action

from ampstream.simulate.behaviours import BEHAVIOURS, PLAIN, Behaviour
from ampstream.simulate.fleet import Fleet
from ampstream.simulate.models import MODELS
from ampstream.simulate.profiles import PROFILES
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from shared.bus import keys as redis_keys
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.e2e.field import Field, scrape
from tests.e2e.test_interop import Socket
from tests.e2e.test_tour import _cli, _json
from tests.support import wait_until

PROFILE = """
[[profile]]
vendor = "Field"
model = "Fragile"
why = "it restarts when it is read"
rules = { read_configuration = "never" }

[[profile]]
vendor = "Field"
model = "Odd.*"
firmware = '2\\..*'
why = "counts in kWh, adds its reader's number to tags, answers no ping"
rules = { samples_in = "kwh", meter_in = "kwh", id_tag = "strip_suffix", ping = "off" }
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running Ampstream that reads configurations after each boot, with a quirk profile of its operator's."""
    directory = tmp_path_factory.mktemp("configuration")
    (directory / "quirks").mkdir()
    (directory / "quirks" / "field.toml").write_text(PROFILE)
    settings = {
        "PARTITIONS": "2",
        "CONFIGURATION_READ_S": "86400",
        "COMMAND_TIMEOUT_S": "5",
        "SILENCE_CLOSE_S": "30",  # Workers are gone for a while here, and their stations shall wait.
        "QUIRK_PROFILES_DIR": str(directory / "quirks"),
    }
    made = System(directory / "system", edges=1, workers=2, settings=settings)
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.close()


def keys(**values: Any) -> dict[str, Any]:
    """Return an answer to GetConfiguration."""
    return {"configurationKey": [{"key": name, "readonly": False, "value": one} for name, one in values.items()]}


async def serve(field: Field, **values: Any) -> dict[str, Any]:
    """Answer the next command, which is to be a read, and return its payload."""
    asked = await field.command()
    assert asked.action == "GetConfiguration"
    field.station.answer(asked, keys(**values))
    return dict(asked.payload)


async def shown(operator: Operator, station_id: str, version: int = 1) -> dict[str, Any]:
    """Return a station's configuration once it has come to this version."""

    async def look() -> dict[str, Any] | None:
        status, found = await operator.request("GET", f"/stations/{station_id}/configuration")
        return found if status == 200 and found["version"] >= version and not found["reading"] else None

    return cast("dict[str, Any]", await wait_until(look))


async def test_a_station_that_changes_is_a_drift(system: System) -> None:
    """From the boot to the acknowledgement: snapshot, history, difference, event, metric, over API and terminal."""
    async with Field(system, "CFG-DRIFT") as field:
        await field.boot(firmwareVersion="1.0")
        assert await serve(field, A="1", AuthorizationKey="hunter2hunter2") == {}
        first = await shown(field.operator, field.id)
        assert {one["key"]: one["value"] for one in first["keys"]} == {"A": "1", "AuthorizationKey": "***"}
        assert not first["stale"]
        await field.again()
        await field.boot(firmwareVersion="1.1")
        await serve(field, A="2", AuthorizationKey="hunter2hunter2", B=None)
        second = await shown(field.operator, field.id, 2)
        assert (second["firmware"], second["open_drifts"]) == ("1.1", 1)
        (drift,) = await field.operator.items("/drifts", station_id=field.id)
        assert [(one["kind"], one["name"]) for one in drift["changes"]] == [("changed", "A"), ("added", "B")]
        (event,) = await field.told("configuration.drifted")
        assert event["drift_id"] == drift["id"]
        assert len(await field.told("configuration.read", 2)) == 2
        await wait_until(lambda: _equals(scrape(system, "ampstream_stations_config_drift"), 2))  # By each worker.
        assert await scrape(system, "ampstream_configuration_drifts_total", 'kind="changed"') >= 1

        difference = await _json(field.operator, "config", "diff", field.id)
        assert [one["kind"] for one in difference[0]["changes"]] == ["firmware", "changed", "added"]
        assert "hunter2" not in await _cli(field.operator, "config", "show", field.id)
        history = await _json(field.operator, "config", "history", field.id)
        assert [one["version"] for one in history] == [2, 1]
        assert drift["id"] in await _cli(field.operator, "drifts", "list", "--state", "open")
        await _cli(field.operator, "drifts", "ack", drift["id"], "--note", "by the installer")
        found = await field.operator.get(f"/drifts/{drift['id']}")
        assert (found["state"], found["note"]) == ("acknowledged", "by the installer")
        assert (await shown(field.operator, field.id))["open_drifts"] == 0


async def _equals(found: Any, expected: float) -> bool:
    return float(await found) == expected


async def test_killing_every_worker_loses_no_read(system: System) -> None:
    """kill -9 while the station is being read: its answer counts once, with the workers that come after."""
    async with Field(system, "CFG-KILL") as field:
        await field.boot()
        asked = await field.command()
        for worker in system.workers:
            worker.kill()
        field.station.answer(asked, keys(A="1"))
        await asyncio.sleep(0)
        await system.restart(*system.workers)
        found = await shown(field.operator, field.id)
        assert [one["key"] for one in found["keys"]] == ["A"]
        (event,) = await field.told("configuration.read")
        assert event["keys"] == 1
        assert len(await field.operator.items(f"/stations/{field.id}/configuration/history")) == 1


async def test_killing_every_worker_before_the_question(system: System) -> None:
    """A read that was decided and not yet sent is sent by the workers that come after, once."""
    async with Field(system, "CFG-KILL-2") as field:
        await field.boot()
        for worker in system.workers:
            worker.kill()
        await system.restart(*system.workers)
        await serve(field, A="1")
        assert (await shown(field.operator, field.id))["version"] == 1
        assert len(await field.told("configuration.read")) == 1


async def test_a_model_of_the_operators_profile_is_never_read(system: System) -> None:
    """A file in the operator's directory counts: neither boot nor operator makes Ampstream ask (quirk 22)."""
    async with Field(system, "CFG-NEVER") as field:
        await field.boot(chargePointModel="Fragile")
        status, body = await field.operator.request("POST", f"/stations/{field.id}/configuration/read")
        assert (status, body["detail"]) == (409, "its model restarts when its configuration is read")
        found = await field.operator.get(f"/stations/{field.id}/configuration")
        assert (found["reading"], found["version"]) == (False, 0)


async def test_a_profile_makes_sense_of_a_model(system: System) -> None:
    """Rules of a file count by vendor, model and firmware, for what a station reports and for its next connection."""
    async with Field(system, "CFG-ODD") as field:
        await field.boot(chargePointModel="Odd One", firmwareVersion="2.1")
        number = await field.start(idTag="ODD_77", meterStart=1)
        await field.stop(number, 3)
        found = await field.transaction(number)
        assert (found["energy_wh"], found["id_tag"]) == (2000, "ODD")
        assert system.valkey.client().hget(redis_keys.door(field.id), "quiet") == b"1"
        await field.again()
        await field.boot(chargePointModel="Odd One", firmwareVersion="3.0")
        assert system.valkey.client().hget(redis_keys.door(field.id), "quiet") == b""


async def test_operators_overrule_a_model(system: System) -> None:
    """What they say of a model counts within seconds, for the stations that are there."""
    async with Field(system, "CFG-MODEL") as field:
        await field.boot(chargePointModel="Overruled")
        await serve(field, NumberOfConnectors=1634030126, ChargeProfileMaxStackLevel=8)
        await shown(field.operator, field.id)
        (model,) = await _json(field.operator, "models", "list", "--model", "overruled")
        assert (model["connectors"], model["limits"]) == (None, {"ChargeProfileMaxStackLevel": 8})
        words = ("models", "set", model["key"], "--rule", "read_configuration=never", "--connectors", "2")
        (said,) = await _json(field.operator, *words)
        assert (said["connectors"], said["rules"]) == (2, {"read_configuration": "never"})

        async def refused() -> bool:
            path = f"/stations/{field.id}/configuration/read"
            return (await field.operator.request("POST", path))[0] == 409

        await wait_until(refused, interval_s=0.5)
        assert "Overruled" in await _cli(field.operator, "models", "show", model["key"])


class Client(OcppChargePoint):  # type: ignore[misc] # the package has no types
    """A station that others wrote."""

    @on(Action.get_configuration)  # type: ignore[untyped-decorator]
    def on_get_configuration(self, key: list[str] | None = None) -> Any:
        """Tell everything, or what is asked for."""
        held = {"HeartbeatInterval": "300", "ConnectorPhaseRotation": "0.RST"}
        found = [KeyValue(key=name, readonly=False, value=one) for name, one in held.items() if not key or name in key]
        return call_result.GetConfiguration(
            configuration_key=found, unknown_key=[name for name in key or () if name not in held]
        )


async def test_others_are_read_as_well(system: System) -> None:
    """The `ocpp` package's ChargePoint understands the question by its schema, and its answer is understood."""
    operator = system.operator()
    async with aiohttp.ClientSession() as http:
        websocket = await http.ws_connect(f"{system.station_url()}/CFG-INTEROP", protocols=["ocpp1.6"])
        client = Client("CFG-INTEROP", Socket(websocket))
        reading = asyncio.create_task(client.start())
        await client.call(call.BootNotification(charge_point_model="One", charge_point_vendor="Acme"))
        found = await shown(operator, "CFG-INTEROP")
        assert {one["key"]: one["value"] for one in found["keys"]} == {
            "HeartbeatInterval": "300", "ConnectorPhaseRotation": "0.RST",
        }  # fmt: skip
        assert (await operator.station("CFG-INTEROP"))["flags"] == []
        reading.cancel()
        await websocket.close()


BEHAVING: dict[str, Behaviour] = {
    "SIM-PLAIN": PLAIN,
    "SIM-LOOSE": BEHAVIOURS["loose"],
    "SIM-MANY": BEHAVIOURS["many-connectors"],
    "SIM-REFUSING": Behaviour(name="no-lists", refuses={"GetConfiguration": "NotSupported"}),
    "SIM-NEW": BEHAVIOURS["new-firmware"],
}


async def test_simulated_stations_are_read_whatever_they_do(system: System) -> None:
    """Loose answers are coerced and flagged, insane numbers not believed, refusals given up and shown."""
    operator, wheel = system.operator(), LoopWheel()
    world = World(wheel, PROFILES["steady"], speed=30)
    urls = [Endpoint.parse(url) for url in system.station_urls]
    fleet = Fleet(world, BEHAVING, urls, model=MODELS[0], behaviours=BEHAVING, connect_rate=0)
    fleet.start()
    try:
        for name in ("SIM-PLAIN", "SIM-LOOSE", "SIM-MANY", "SIM-NEW"):
            found = await shown(operator, name)
            assert len(found["keys"]) > 20, name
        loose = (await operator.station("SIM-LOOSE"))["flags"]
        assert "configuration:value" in loose
        assert (await operator.station("SIM-PLAIN"))["flags"] == []

        async def failed() -> bool:
            return bool((await operator.get("/stations/SIM-REFUSING/configuration"))["failed_at"])

        await wait_until(failed)
        assert "configuration_unread" in (await operator.station("SIM-REFUSING"))["flags"]
        status, _ = await operator.request(
            "POST", "/stations/SIM-NEW/commands", json={"action": "Reset", "payload": {"type": "Hard"}}
        )
        assert status == 202
        renewed = await shown(operator, "SIM-NEW", 2)
        assert renewed["firmware"] == "99.0.1"
        (drift,) = await operator.items("/drifts", station_id="SIM-NEW")
        assert {one["kind"] for one in drift["changes"]} >= {"added", "removed"}
        models = await operator.items("/models", vendor=MODELS[0].vendor)
        assert "99.0.1" in {one["firmware"] for one in models}
    finally:
        await fleet.close()
        wheel.stop()
