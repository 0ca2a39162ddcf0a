"""What happens meanwhile: operators send commands, and a few stations do what should not happen.

The fleets charge by themselves. Everything here is rare enough that no alert should mind, and frequent enough that
every series moves.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import aiohttp

from ampstream.simulate.station import CsmsCall, Refused, Station, StationError
from tests.e2e.field import Field, iso
from tests.observe import care
from tests.observe.stage import Stage

COMMANDS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("GetConfiguration", {}),
    ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
    ("ClearCache", {}),
    ("ChangeAvailability", {"connectorId": 0, "type": "Operative"}),
    ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1}),
    ("GetLocalListVersion", {}),
    ("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "45"}),
    ("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "90"}),
)
SAMPLED: Final = {"sampled": ["Energy.Active.Import.Register", "Power.Active.Import"], "sampled_interval_s": 60}
LOCKED: Final = [f"LOCKED-{number:02d}" for number in range(50)]
"""Stations that have a key."""
FIRMWARE: Final = ("Downloading", "Downloaded", "Installing", "Installed")
STOPS: Final = ("Local", "Remote", "EVDisconnected", "PowerLoss", "HardReset")
TROUBLE: Final = (StationError, OSError, TimeoutError, AssertionError, aiohttp.ClientError, KeyError)
"""What faults do to those who are only there for the load; they begin again."""


@contextlib.asynccontextmanager
async def applied(stage: Stage) -> AsyncIterator[None]:
    """Let all of it happen for the length of the block."""
    for fleet in stage.fleets.values():
        fleet.start()
    parts = (
        _operate,
        _look,
        _send_to_many,
        _reserve,
        _want,
        _share,
        _drift,
        _deviate,
        _fall_silent,
        _twins,
        _knock,
        _be_mute,
        care.look_after,
        care.answer_for_the_grid,
    )
    tasks = [asyncio.create_task(_again_and_again(part, stage)) for part in parts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _again_and_again(part: Callable[[Stage], Awaitable[None]], stage: Stage) -> None:
    while True:
        try:
            await part(stage)
        except TROUBLE as error:
            stage.note(f"{part.__name__}: {error!r}")
        await asyncio.sleep(1)


async def _operate(stage: Stage) -> None:
    """Send commands to stations that answer, and take one back."""
    operator = stage.system.operator()
    stations = stage.fleet_stations("NORTH")
    for action, payload in itertools.cycle(COMMANDS):
        station_id = random.choice(stations)
        body = {"action": action, "payload": payload}
        await operator.request("POST", f"/stations/{station_id}/commands?wait=2s", json=body)
        await asyncio.sleep(0.3)


async def _look(stage: Stage) -> None:
    """Read what a page for operators would; take back a command that waits for a station that is not there."""
    operator = stage.system.operator(1)
    for path in itertools.cycle(("/summary", "/stations", "/transactions", "/commands", "/quarantine", "/connectors")):
        await operator.get(path)
        if path == "/summary":
            await _guess(operator.url)
            await operator.request("POST", "/stations", json={"station_id": "NEVER"})
            body = {"action": "ClearCache", "payload": {}}
            _, made = await operator.request("POST", "/stations/NEVER/commands", json=body)
            await operator.request("DELETE", f"/commands/{made['id']}")
        await asyncio.sleep(1)


async def _guess(url: str) -> None:
    """Ask with a token that nobody gave out: a script whose token ran out."""
    headers = {"Authorization": "Bearer nobody-gave-it-out"}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(f"{url}/api/v1/stations") as answer:
        assert answer.status in (401, 429)


async def _send_to_many(stage: Stage) -> None:
    """Send one command to a dozen stations, and again."""
    stations = stage.fleet_stations("NORTH")[:12]
    body = {"action": "ClearCache", "payload": {}, "stations": stations, "expires_in_s": 60}
    status, told = await stage.system.operator().request("POST", "/jobs", json=body)
    assert status < 300, told
    await asyncio.sleep(15)


async def _reserve(stage: Stage) -> None:
    """Keep a connector free for a while, for somebody who does not come."""
    station_id = random.choice(stage.fleet_stations("NORTH"))
    body = {"connector_id": 1, "id_tag": "NOBODY", "expires_in_s": 10}
    status, told = await stage.system.operator().request(
        "POST", f"/stations/{station_id}/reservations?wait=5s", json=body
    )
    assert status < 500, told
    await asyncio.sleep(4)


async def _want(stage: Stage) -> None:
    """Want another setting of one vendor's stations, again and again, and less power of a few."""
    operator = stage.system.operator(1)
    for value in itertools.cycle(("60", "120")):
        template = {"match": {"vendor": "Nordwall"}, "keys": {"ConnectionTimeOut": value}, "meter_data": SAMPLED}
        status, told = await operator.request("PUT", "/templates/observed", json=template)
        assert status < 300, told
        for station_id in stage.fleet_stations("NORTH")[20:30]:
            await operator.request("POST", f"/stations/{station_id}/configuration/apply", json={})
            profile = {"profile": {"periods": [{"limit": 16}]}}
            await operator.request("POST", f"/stations/{station_id}/charging-profiles", json=profile)
        await asyncio.sleep(20)


async def _share(stage: Stage) -> None:
    """Share a site's capacity among some stations, beside what else draws there."""
    operator = stage.system.operator()
    site = {
        "circuits": [{"name": "main", "capacity": {"amps": 250}}],
        "stations": [{"id": name, "circuit": "main"} for name in stage.fleet_stations("NORTH")[30:36]],
    }
    status, told = await operator.request("PUT", "/sites/observed", json=site)
    assert status < 300, told
    for amps in itertools.cycle((10, 30)):
        await operator.request("PUT", "/sites/observed/circuits/main/base-load", json={"amps": amps})
        await asyncio.sleep(20)


async def _drift(stage: Stage) -> None:
    """Come back with another setting, which nobody has asked for; somebody looks at it."""
    value = random.randrange(10, 100)

    def answer(call: CsmsCall) -> dict[str, Any]:
        key = {"key": "MeterValueSampleInterval", "readonly": False, "value": str(value)}
        return {"configurationKey": [key]} if call.action == "GetConfiguration" else {"status": "Rejected"}

    async with Field(stage.system, "DRIFT-1", on_call=answer) as field:
        await field.boot()
        await asyncio.sleep(8)
        for drift in await field.operator.items("/drifts", state="open"):
            await field.operator.request("POST", f"/drifts/{drift['id']}/acknowledge", json={"note": "seen"})
        await asyncio.sleep(12)


async def _deviate(stage: Stage) -> None:
    """Report faults, firmware and security events, and deviate from the standard in several ways."""
    async with Field(stage.system, "ODD-1") as field:
        await field.boot(firmwareVersion="1.0")
        for stop, firmware in zip(itertools.cycle(STOPS), itertools.cycle(FIRMWARE), strict=False):
            number = await field.start(timestamp=iso()[:-1])
            await field.meter({"value": "1500"}, transactionId=number)
            await field.stop(number, reason=stop)
            await field.status("Faulted", errorCode="GroundFailure", timestamp=iso())
            await field.status("Available", timestamp=iso(-20))
            await field.say("FirmwareStatusNotification", status=firmware)
            await field.say("SecurityEventNotification", type="TamperDetectionActivated", timestamp=iso())
            await field.say("Authorize", idTag="SIMTAG01")
            field.station.send_raw('{"neither": "frame", "nor": "array"}')
            with contextlib.suppress(StationError):
                await field.say("OpenSesame")
            await asyncio.sleep(14)


async def _fall_silent(stage: Stage) -> None:
    """Answer pings at first, then read nothing any more until the edge gives up."""
    async with Field(stage.system, "LOST-1") as field:
        await field.boot()
        await asyncio.sleep(4)
        field.station.pause_reading()
        await asyncio.sleep(12)
        field.station.abort()


async def _twins(stage: Stage) -> None:
    """Dial in although the older socket is still open."""
    first, second = (Field(stage.system, "TWIN-1") for _ in range(2))
    async with first:
        await first.boot()
        await asyncio.sleep(5)
        async with second:
            await second.boot()
            await asyncio.sleep(5)


async def _knock(stage: Stage) -> None:
    """Show a wrong password now and then."""
    operator = stage.system.operator()
    for station_id in LOCKED:
        await operator.request("POST", "/stations", json={"station_id": station_id, "make_key": True})
    for number in itertools.count():
        await knock(stage, number)
        await asyncio.sleep(5)


async def knock(stage: Stage, number: int) -> None:
    """Try to come in with a wrong password, in another name and from another address each time.

    Twenty failures a minute and name, or address, would be answered 429 before the password is looked at.
    """
    name = LOCKED[number % len(LOCKED)]
    station = Station(stage.system.station_url(number % 2), name, password=b"a-wrong-password", timeout_s=5)
    with contextlib.suppress(Refused, OSError, TimeoutError):
        await station.connect(local_address=f"127.0.{1 + number // 200 % 200}.{1 + number % 200}")


async def _be_mute(stage: Stage) -> None:
    """Let a command run into its limit."""
    async with Field(stage.system, "MUTE-1") as field:
        await field.boot()
        body = {"action": "ClearCache", "payload": {}}
        while True:
            await stage.system.operator().request("POST", "/stations/MUTE-1/commands", json=body)
            await field.say("Heartbeat")
            await asyncio.sleep(4)
            await field.say("Heartbeat")
            await asyncio.sleep(16)
