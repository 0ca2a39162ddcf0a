"""Transactions and meter values as operators see them."""

import csv
import io

from shared.bus import keys
from shared.records.packing import pack
from shared.records.transactions import Estimate, Reading, Sample
from tests.edge.operators.stage import T0, Stage, transaction

ISSUE_FIELDS = {
    *("id", "station_id", "connector_id", "id_tag", "state", "started_at", "stopped_at", "meter_start_wh"),
    *("meter_stop_wh", "energy_wh", "stop_reason", "flags"),
}
READINGS = [
    Reading(
        taken_at=T0 + n * 60_000,
        received_at=T0 + n * 60_000 + 50,
        connector_id=1,
        samples=(
            Sample("Energy.Active.Import.Register", 1000 + n, "Wh"),
            Sample("Power.Active.Import", 7360.5, "W", phase="L1"),
        ),
        flags=("late",) if n == 1100 else (),
    )
    for n in range(1101)
]


async def test_a_transaction_shows_what_happened(stage: Stage) -> None:
    """Open and closed ones have the same fields; what is not known yet is null."""
    estimate = Estimate(
        made_at=T0, stopped_at=T0, meter_stop_wh=7000, energy_wh=6000, reason="Other", evidence="Available since"
    )
    await stage.transactions(
        transaction(1, flags=("late_samples",), estimates=(estimate,)),
        transaction(2, state="open", last_power_w=7200.0),
    )
    closed, still_open = await stage.get("/transactions/1"), await stage.get("/transactions/2")
    assert set(closed) >= ISSUE_FIELDS
    assert (closed["state"], closed["energy_wh"], closed["meter_stop_wh"]) == ("closed", 7000, 8000)
    assert closed["started_at"] == "2026-01-01T00:00:00.001Z"
    assert closed["flags"] == ["late_samples"]
    assert closed["estimates"][0]["evidence"] == "Available since"
    assert (still_open["state"], still_open["stopped_at"], still_open["meter_stop_wh"]) == ("open", None, None)
    assert still_open["stop_reason"] is None
    assert (await stage.ask("GET", "/transactions/3"))[0] == 404


async def test_transactions_by_station_state_tag_and_time(stage: Stage) -> None:
    """Every filter, and any together; newest start first."""
    await stage.transactions(
        *(
            transaction(
                n,
                f"CP{n % 3}",
                state="open" if n > 25 else "closed",
                id_tag="Guest" if n % 4 == 0 else "tag",
                started_at=T0 + n * 1000,
            )
            for n in range(1, 31)
        )
    )

    async def found(**wanted: str | int) -> list[int]:
        return [one["id"] for one in await stage.all_of("/transactions", limit=4, **wanted)]

    assert await found() == list(range(30, 0, -1))
    assert await found(state="open") == [30, 29, 28, 27, 26]
    assert await found(state="closed") == list(range(25, 0, -1))
    assert await found(station_id="CP1") == list(range(28, 0, -3))
    assert await found(station_id="CP1", state="open") == [28]
    assert await found(id_tag="GUEST") == [28, 24, 20, 16, 12, 8, 4]
    assert await found(**{"from": "2026-01-01T00:00:05Z", "to": "2026-01-01T00:00:08Z"}) == [7, 6, 5]
    assert await found(**{"from": "2026-01-01T02:00:29+02:00"}) == [30, 29]
    assert await found(station_id="none") == []


async def test_many_starts_at_the_same_moment_are_all_listed(stage: Stage) -> None:
    """A replay after an outage starts many transactions at one time; pages lose none of them."""
    await stage.transactions(*(transaction(n, started_at=T0) for n in range(1, 60)))
    found = [one["id"] for one in await stage.all_of("/transactions", limit=7)]
    assert sorted(found) == list(range(1, 60))


async def test_one_that_closes_between_index_and_record_is_found(stage: Stage) -> None:
    """The open index may be behind: the record decides."""
    await stage.transactions(transaction(1))
    await stage.write(("ZADD", keys.TRANSACTIONS_OPEN, T0, "1"))
    assert (await stage.get("/transactions/1"))["state"] == "closed"
    await stage.write(("DEL", keys.transaction("CP1", 1)))
    assert await stage.all_of("/transactions") == []


async def test_meter_values_come_in_pages(stage: Stage) -> None:
    """Every reading once, in the order of arrival."""
    await stage.transactions(transaction(1))
    await stage.readings("CP1", 1, *READINGS)
    found = await stage.all_of("/transactions/1/meter-values", limit=400)
    assert [one["samples"][0]["value"] for one in found] == [1000 + n for n in range(1101)]
    assert found[0]["timestamp"] == "2026-01-01T00:00:00.000Z"
    assert found[0]["samples"][1] == {
        "measurand": "Power.Active.Import", "value": 7360.5, "unit": "W", "phase": "L1", "location": "Outlet",
        "context": "Sample.Periodic", "format": "Raw", "flags": [],
    }  # fmt: skip
    assert found[-1]["flags"] == ["late"]


async def test_meter_values_as_csv_come_whole(stage: Stage) -> None:
    """One line a sample, by header or by parameter."""
    await stage.transactions(transaction(1))
    await stage.readings("CP1", 1, *READINGS)
    by_header = await stage.get("/transactions/1/meter-values", headers={"Accept": "text/csv"})
    assert by_header == await stage.get("/transactions/1/meter-values?format=csv")
    rows = list(csv.DictReader(io.StringIO(by_header)))
    assert len(rows) == 2 * len(READINGS)
    assert rows[0]["timestamp"] == "2026-01-01T00:00:00.000Z"
    assert (rows[-2]["value"], rows[-2]["unit"], rows[-2]["flags"]) == ("2100", "Wh", "late")
    assert (await stage.ask("GET", "/transactions/9/meter-values?format=csv"))[0] == 404
    assert (await stage.ask("GET", "/transactions/1/meter-values?format=csv&cursor=x"))[0] == 400


async def test_csv_holds_no_formula_of_a_station(stage: Stage) -> None:
    """What a station wrote does not run in an operator's spreadsheet."""
    await stage.transactions(transaction(1))
    evil = Sample("=cmd()", "@SUM(A1)", context="-1+1")
    await stage.readings("CP1", 1, Reading(T0, (evil, Sample("Voltage", -5, "V"))))
    rows = list(csv.DictReader(io.StringIO(await stage.get("/transactions/1/meter-values?format=csv"))))
    assert (rows[0]["measurand"], rows[0]["value"], rows[0]["context"]) == ("'=cmd()", "'@SUM(A1)", "'-1+1")
    assert rows[1]["value"] == "-5"


async def test_samples_of_no_transaction_belong_to_the_station(stage: Stage) -> None:
    """What a station measured outside of transactions can be read too."""
    await stage.station("CP1")
    await stage.write(("XADD", keys.samples("CP1"), "*", "m", pack(READINGS[3])))
    (found,) = await stage.all_of("/stations/CP1/meter-values")
    assert found["samples"][0]["value"] == 1003


async def test_the_summary_counts(stage: Stage) -> None:
    """A status line has its numbers; energy counts a correction too."""
    now = int((await stage.lane.one("TIME"))[0]) * 1000
    await stage.station("CP1")
    await stage.station("CP2")
    await stage.write(("HSET", keys.ONLINE, "CP1", "ocpp1.6"))
    await stage.transactions(
        transaction(1, started_at=now - 5000),
        transaction(2, started_at=now - 4000, state="open"),
        transaction(3, started_at=now - 100_000_000),
        transaction(4, started_at=now - 3000, estimated=True),
    )
    found = await stage.get("/summary")
    assert found["stations"] == {"total": 2, "online": 1, "offline": 1, "never_seen": 0}
    assert found["transactions"] == {"total": 4, "open": 1}
    assert found["energy_wh"] == 7000 + 500 + 7000
    await stage.transactions(transaction(4, started_at=now - 3000, energy_wh=7100))
    assert (await stage.get("/summary"))["energy_wh"] == 7000 + 500 + 7100
