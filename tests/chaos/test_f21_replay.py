"""F21: a station that was offline for days sends 500 queued frames, with new message ids and old timestamps.

It loses its connection again and again while it does, with frames under way, and says them again. The guard is the
business key of each transaction message; F12 and F22 take it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import pytest

from ampstream.simulate.ledger import Meter
from ampstream.simulate.reports import meter_request, start_request
from tests.chaos.harness import charger as harness
from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System

pytestmark = pytest.mark.chaos
SESSIONS: Final = 100
"""Of five frames each: a start, three meter values, a stop."""
AGE_MS: Final = 3 * 24 * 3600 * 1000


def _clock(begin: int) -> Iterator[int]:
    """Yield the station's own time: half a minute between one thing and the next."""
    while True:
        begin += 30_000
        yield begin


async def test_exact_energy(shared_system: System, ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """F21: as many transactions as sessions, in their order, each with its very Wh (I2, I3, I4)."""
    system, clock = shared_system, _clock(harness.now_ms() - AGE_MS)
    station = Charger(system.station_urls, "REPLAY1", ledger)
    await station.connect()
    await station.boot()
    monkeypatch.setattr(harness, "now_ms", lambda: next(clock))
    for n in range(SESSIONS):
        begin = 1000 + n * 5000
        await station.plug_in(begin)
        if n % 7 == 3:
            # It is gone before the answer comes, and what it said may count already.
            station.station.start_call("StartTransaction", start_request(station.started), station.new_id())
            await station.vanish()
        await station.report_start()
        for step in (1, 2):
            await station.meter(begin + step * 500)
        await _meter_twice(station, begin + 1500, lost=n % 11 == 5)
        await station.stop(begin + 2000 + n)
    operator = system.operator()
    found = await checks.transactions(operator, ledger.book(), "REPLAY1")
    checks.sound([*found, *await checks.liveness(system.valkey.client())])
    stored = await operator.items("/transactions", station_id="REPLAY1")
    assert len(stored) == SESSIONS
    assert sum(one["energy_wh"] for one in stored) == sum(2000 + n for n in range(SESSIONS))


async def _meter_twice(station: Charger, meter_wh: int, *, lost: bool) -> None:
    """Report a meter value; where that gets lost with the connection, say it first without hearing the answer."""
    if lost:
        at = harness.now_ms()
        meter = Meter(station.key, 3, at, meter_wh)
        request = msgspec.structs.replace(meter_request(meter, 1), transaction_id=station.transaction_id)
        station.station.start_call("MeterValues", request, station.new_id())
        await station.vanish()
        await station.note(meter)
        await station.call("MeterValues", request, station.key, "3")
    else:
        await station.meter(meter_wh)
