"""F20: every station loses its connection and dials again at once, more than the edges admit.

An edge takes so many a second and tells the others when to come back, spread over the time that the crowd needs. Nobody
may be left outside, and who is inside must not feel it.
"""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Final

import pytest

from ampstream.simulate.station import Refused, Station, StationError
from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System
from tests.e2e.field import scrape

pytestmark = pytest.mark.chaos
STATIONS: Final = 150
BACK_S: Final = 20.0
"""A third of the field's 60 s."""
BOOT: Final = {"chargePointVendor": "Crowd", "chargePointModel": "C1"}


async def _arrive(station: Station) -> int:
    """Dial until an edge takes the station, as late as it is told; returns how often it was sent away."""
    refused = 0
    while True:
        try:
            await station.connect()
        except Refused as error:
            if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            refused += 1
            await asyncio.sleep(error.retry_after_s)
        except (OSError, TimeoutError, StationError):
            refused += 1
        else:
            await station.call("BootNotification", BOOT)
            return refused


async def test_everybody_is_back(shared_system: System, ledger: LedgerFile) -> None:
    """F20: all are back within the time, some after waiting as told, and a session meanwhile goes on (I9, I10, I11)."""
    system = shared_system
    bystander = Charger(system.station_urls, "BYSTANDER", ledger)
    await bystander.connect()
    await bystander.boot()
    stations = [Station(system.station_url(n % 2), f"CROWD{n:03}", timeout_s=15) for n in range(STATIONS)]
    await asyncio.gather(*map(_arrive, stations))
    connected = await scrape(system, "ampstream_edge_connections")
    for station in stations:
        station.abort()
    begun = time.monotonic()
    back = asyncio.gather(*map(_arrive, stations))
    waits: list[float] = []
    while not back.done():
        asked = time.monotonic()
        await bystander.status("Available")
        waits.append(time.monotonic() - asked)
        await asyncio.sleep(0.05)
    refused = await back
    assert time.monotonic() - begun < BACK_S
    assert sum(refused) > STATIONS / 4, "the edges admitted everybody at once: nothing was tested"
    # One long wait is the machine's, which stood still; a crowd that is felt is felt all the time.
    assert sorted(waits)[-3:][0] < 1.0, "a station that was there all the time waited for its answers"
    assert bystander.connects == 1
    assert await scrape(system, "ampstream_edge_connections") == connected
    await bystander.charge()
    checks.sound(await checks.transactions(system.operator(), ledger.book(), "BYSTANDER"))
    await asyncio.gather(*(station.close() for station in stations))
    checks.sound(
        [*await checks.liveness(system.valkey.client()), *await checks.bounds(system.valkey.client(), nodes=2)]
    )
