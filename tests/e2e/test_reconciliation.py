"""Reconciliation end to end: what is provably over is closed with an estimate, which the own stop replaces."""

from __future__ import annotations

from ampstream.simulate.ledger import Stop
from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile, now_ms
from tests.chaos.harness.operator import Operator, milliseconds
from tests.chaos.harness.system import System
from tests.e2e.feed import follow
from tests.e2e.field import ENERGY, Field
from tests.support import wait_until


async def _closed(operator: Operator, number: int) -> bool:
    return bool((await operator.get(f"/transactions/{number}"))["state"] == "closed")


async def test_an_estimate_and_its_correction(system: System, operator: Operator, ledger: LedgerFile) -> None:
    """A station vanishes and returns Available: closed as estimated; its late stop replaces that, with one event."""
    charger = Charger(system.station_urls, "RECONCILED", ledger)
    async with follow(operator, station_id="RECONCILED", type="transaction.*") as feed:
        await charger.connect()
        await charger.boot()
        number = await charger.start(1000)
        await charger.status("Charging")
        await charger.meter(1500)
        await charger.vanish()
        # The car leaves while the station is away; its stop waits in a queue that comes much later.
        stop = Stop(charger.key, now_ms(), 1800, "PowerLoss")
        await charger.note(stop)
        await charger.connect()
        await charger.status("Available")
        await wait_until(lambda: _closed(operator, number))
        estimated = await operator.get(f"/transactions/{number}")
        assert estimated["estimated"]
        assert (estimated["meter_stop_wh"], estimated["energy_wh"]) == (1500, 500)
        assert "estimated" in estimated["flags"]
        ended = await feed.until(lambda event: event.type == "transaction.ended")
        assert ended.body["estimated"]
        await charger.report_stop(stop)
        corrected = await operator.get(f"/transactions/{number}")
        assert (corrected["meter_stop_wh"], corrected["energy_wh"], corrected["stop_reason"]) == (
            1800,
            800,
            "PowerLoss",
        )
        assert milliseconds(corrected["stopped_at"]) == stop.at
        assert not corrected["estimated"]
        assert [one["meter_stop_wh"] for one in corrected["estimates"]] == [1500]
        assert "corrected" in corrected["flags"]
        event = await feed.until(lambda event: event.type == "transaction.corrected")
        assert (event.body["energy_wh"], event.body["previous_energy_wh"]) == (800, 500)
        # The same stop again, under a new message id: nothing changes, and nothing is announced.
        await charger.report_stop(stop)
        assert await operator.get(f"/transactions/{number}") == corrected
        await charger.start(2000)
        await feed.until(lambda event: event.type == "transaction.started" and event.body["transaction_id"] != number)
        assert [one.type for one in feed.seen].count("transaction.corrected") == 1
        await charger.go_on(2000)
        await charger.leave()
    checks.sound(await checks.transactions(operator, ledger.book(), "RECONCILED"))


async def test_a_boot_alone_proves_nothing(system: System, operator: Operator, ledger: LedgerFile) -> None:
    """A station that comes back and goes on charging keeps its transaction, however long that takes."""
    charger = Charger(system.station_urls, "CHARGES-ON", ledger)
    await charger.connect()
    await charger.boot()
    number = await charger.start(1000)
    await charger.status("Charging")
    await charger.vanish()
    await charger.connect()
    answer = await charger.call("BootNotification", {"chargePointVendor": "Chaos", "chargePointModel": "C1"})
    assert answer["status"] == "Accepted"
    await charger.status("Charging")
    looked = await wait_until(
        lambda: [one for one in operator.events("CHARGES-ON") if one["type"] == "transaction.reconciling"]
    )
    assert looked[0]["transaction_id"] == number
    # Three times the setting: the look is over.
    begun = now_ms()
    await wait_until(lambda: now_ms() - begun > 3_000, 5, 0.1)
    assert not await _closed(operator, number)
    await charger.go_on(1000)
    await charger.leave()
    checks.sound(await checks.transactions(operator, ledger.book(), "CHARGES-ON"))


async def test_an_operator_closes_what_nobody_will_end(system: System) -> None:
    """An operator ends an open transaction; the station's own stop replaces that, and closing twice is a conflict."""
    async with Field(system, "FORGOTTEN") as field:
        await field.boot()
        number = await field.start()
        await field.meter({"value": "1400", "measurand": ENERGY}, transactionId=number)
        path = f"/transactions/{number}/close"
        status, closed = await field.operator.request("POST", path)
        assert (status, closed["state"], closed["energy_wh"], closed["stop_reason"]) == (200, "closed", 400, "operator")
        assert (await field.operator.request("POST", path))[0] == 409
        assert (await field.operator.request("POST", "/transactions/2147483647/close"))[0] == 404
        await field.stop(number, 1900)
        shown = await field.transaction(number)
        assert (shown["energy_wh"], shown["stop_reason"], shown["estimated"]) == (900, "Local", False)
