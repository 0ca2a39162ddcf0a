"""What operators do now and then, with a few stations without cars: keys, certificates, lists, firmware, a probe.

The stations are simulated here, as the fleets are elsewhere. A round of all of it takes about a minute; a fault in the
middle of one ends it, and the next begins with what is known by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from ampstream.simulate.behaviours import BEHAVIOURS, PLAIN, Behaviour, combined
from ampstream.simulate.fleet import Access, Fleet
from ampstream.simulate.makes import MAKES
from ampstream.simulate.models import BY_NAME, MODELS
from ampstream.simulate.transfers import HttpMover
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.e2e.secured import ca_of, tls_url
from tests.e2e.test_reservations import NOBODY
from tests.observe.stage import Stage
from tests.support import wait_until
from tests.vtn import LittleVtn

SPEED: Final = 60
WAIT_S: Final = 40.0
LISTED: Final = "CARE-LIST"
PROBED: Final = "CARE-PROBE"
UPDATED: Final = ("CARE-FIRMWARE-1", "CARE-FIRMWARE-2")
STATIONS: Final[dict[str, Behaviour]] = {
    # Takes less at a time than it says: its list is sent anew.
    LISTED: combined([Behaviour(name="listed", vendor="Listed"), BEHAVIOURS["small-lists"]]),
    PROBED: MAKES["good-profiles"],
    UPDATED[0]: PLAIN,
    UPDATED[1]: BEHAVIOURS["failing-install"],
}
SECURE: Final = "CARE-TLS"
ROUND: Final = itertools.count(1)


async def look_after(stage: Stage) -> None:
    """Do all of it once, with stations that dial in for it."""
    operator = stage.system.operator()
    async with fleet(stage.system, STATIONS, stage.system.station_urls):
        number = next(ROUND)
        for part in (_list, _update, _probe):
            await part(operator, number)
    await _secure(stage.system, operator)
    await asyncio.sleep(10)


async def answer_for_the_grid(stage: Stage) -> None:
    """Be a VTN that asks for nothing, and ask two stations for less over the API, for a few seconds."""
    operator = stage.system.operator(1)
    async with LittleVtn().serving(stage.vtn_port):
        for kind in itertools.cycle(("curtail", "shed")):
            body = {
                "stations": stage.fleet_stations("NORTH")[40:42],
                "kind": kind,
                "limit": {"kw": 5},
                "duration_s": 600,
            }
            made = await _made(operator, "POST", "/demand-events", body | {"name": "observed"})
            await asyncio.sleep(8)
            await _made(operator, "POST", f"/demand-events/{made['id']}/cancel", None)
            await asyncio.sleep(12)


@contextlib.asynccontextmanager
async def fleet(
    system: System, behaviours: dict[str, Behaviour], urls: list[str], access: Access | None = None
) -> AsyncIterator[Fleet]:
    """Run stations without cars until the end of the block, once all are there."""
    wheel, mover = LoopWheel(), HttpMover(piece=100_000)
    model = BY_NAME["Pole Duo 22"] if access else next(one for one in MODELS if "LocalAuthListEnabled" in one.keys)
    stations = Fleet(
        World(wheel, NOBODY, speed=SPEED, mover=mover), list(behaviours), [Endpoint.parse(url) for url in urls], access,
        behaviours=behaviours, model=model, connect_rate=0,
    )  # fmt: skip
    stations.start()
    try:
        await wait_until(lambda: stations.status().accepted == len(behaviours), WAIT_S)
        yield stations
    finally:
        await stations.close()
        await mover.close()
        wheel.stop()


async def _list(operator: Operator, number: int) -> None:
    """Have tags on a station's local list, others each time."""
    for n in range(30):
        await _made(operator, "PUT", f"/tags/CARE{number:03}{n:03}", {"parent": "CARE-LISTED"})
    body = {"mode": "hybrid", "match": {"vendor": "Listed"}, "list": {"groups": ["CARE-LISTED"]}}
    await _made(operator, "PUT", "/authorization/policies/observed", body)
    await _becomes(operator, f"/stations/{LISTED}/local-list", lambda one: one["state"] == "in_line")


async def _update(operator: Operator, number: int) -> None:
    """Bring a firmware to two stations, of which one can't install it."""
    image = await _made(operator, "POST", "/firmware-images", {"version": f"9.{number}.0"})
    headers = {"Content-Type": "application/octet-stream"}
    path = f"/firmware-images/{image['id']}/content"
    status, told = await operator.request("PUT", path, data=os.urandom(200_000), headers=headers)
    assert status == 200, told
    body = {"image_id": image["id"], "stations": list(UPDATED), "attempts": 1, "canary": 0, "failure_sample": 100}
    made = await _made(operator, "POST", "/firmware-campaigns", body)
    await _becomes(operator, f"/firmware-campaigns/{made['id']}", lambda one: one["ended_at"] is not None)


async def _probe(operator: Operator, _number: int) -> None:
    """Try what a station does with charging profiles."""
    await _made(operator, "POST", f"/stations/{PROBED}/probe", {})
    await _becomes(operator, f"/stations/{PROBED}/probe", lambda one: one["ended_at"] is not None)


async def _secure(system: System, operator: Operator) -> None:
    """Give a station a new key over TLS, then a certificate; it is made anew each time."""
    await operator.request("DELETE", f"/stations/{SECURE}")
    made = await _made(operator, "POST", "/stations", {"station_id": SECURE, "make_key": True})
    access = Access(bytes.fromhex(made["key"]), ca=ca_of(system))
    where = f"/stations/{SECURE}/credentials"
    async with fleet(system, {SECURE: PLAIN}, [tls_url(system)], access):
        await _made(operator, "POST", f"/stations/{SECURE}/key-rotation", {})
        await _becomes(operator, where, lambda one: one["rotation"]["state"] == "taken")
        reset = {"action": "Reset", "payload": {"type": "Soft"}}
        await _made(operator, "POST", f"/stations/{SECURE}/commands", reset)
        await _becomes(operator, where, lambda one: one["rotation"]["state"] == "done" and one["security_profile"] == 2)
        await _made(operator, "POST", f"/stations/{SECURE}/certificate", {})
        await _becomes(operator, where, lambda one: one["security_profile"] == 3)


async def _made(operator: Operator, method: str, path: str, body: Any) -> Any:
    status, made = await operator.request(method, path, json=body)
    assert status < 300, (path, made)
    return made


async def _becomes(operator: Operator, path: str, wanted: Callable[[dict[str, Any]], bool]) -> None:
    async def look() -> bool:
        status, found = await operator.request("GET", path)
        return status == 200 and wanted(found)

    await wait_until(look, WAIT_S, 0.2)
