"""An operator's day, through the API and through the command line, against a system that runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ampstream.simulate.station import Refused, Station
from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.support import PATIENCE_S
from tests.terminal import ampstream


async def _cli(operator: Operator, *arguments: str, expect: int = 0) -> str:
    """Run `ampstream ...` as a person in a terminal does, and return what it prints."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AMPSTREAM_")}
    token = operator.headers["Authorization"].removeprefix("Bearer ")
    env = environ | {"AMPSTREAM_API_URL": operator.url, "AMPSTREAM_API_TOKEN": token, "COLUMNS": "120"}
    done = await ampstream(*arguments, env=env)
    assert done.status == expect, (arguments, done.out, done.err)
    return done.out + done.err


async def _json(operator: Operator, *arguments: str) -> list[dict[str, Any]]:
    lines = (await _cli(operator, *arguments, "--json")).splitlines()
    return [msgspec.json.decode(line) for line in lines]


async def test_a_station_from_its_key_to_its_end(system: System, operator: Operator, ledger: LedgerFile) -> None:
    """Created with a key, logs in with it alone, charges, is sent away and comes back, and is forgotten."""
    (created,) = await _json(operator, "stations", "create", "TOUR", "--name", "Gate 1", "--make-key")
    assert created["state"] == "never_seen"
    with pytest.raises(Refused, match="401"):
        await Station(system.station_url(), "TOUR", password=b"guess").connect()
    charger = Charger(system.station_urls, "TOUR", ledger, password=created["key"].encode())
    await charger.connect()
    await charger.boot()
    await charger.charge()
    shown = await _cli(operator, "stations", "list", "TOUR")
    assert "TOUR" in shown
    assert "online" in shown
    (transaction,) = await _json(operator, "transactions", "list", "--station", "TOUR")
    assert (transaction["state"], transaction["energy_wh"]) == ("closed", 1000)
    table = await _cli(operator, "transactions", "meter-values", str(transaction["id"]), "--csv")
    assert "Energy.Active.Import.Register" in table
    await _cli(operator, "stations", "disconnect", "TOUR")
    assert await charger.station.closed_with(PATIENCE_S) == 1012
    await charger.connect()
    await charger.charge()
    checks.sound(await checks.transactions(operator, ledger.book(), "TOUR"))
    await _cli(operator, "stations", "delete", "TOUR", "--yes")
    assert await charger.station.closed_with(PATIENCE_S) in (1001, 1008, 1012)
    assert (await operator.request("GET", "/stations/TOUR"))[0] == 404
    assert len(await operator.items("/transactions", station_id="TOUR")) == 2


async def test_tags_from_a_file(system: System, operator: Operator, ledger: LedgerFile, tmp_path: Path) -> None:
    """Tags come from a CSV whose bad row is named; what they say is what stations are answered."""
    file = tmp_path / "tags.csv"
    file.write_text("id_tag,status,concurrent_limit\nTOUR-OK,accepted,1\nTOUR-NO,blocked,0\nTOUR-BAD,perhaps,0\n")
    printed = await _cli(operator, "tags", "import", str(file), expect=1)
    assert "1 bad" in printed
    assert "line 4" in printed
    assert "perhaps" in printed
    charger = Charger(system.station_urls, "TAGS", ledger)
    await charger.connect()
    await charger.boot()
    for tag, status in (("TOUR-OK", "Accepted"), ("TOUR-NO", "Blocked")):
        answer = await charger.call("Authorize", {"idTag": tag})
        assert answer["idTagInfo"]["status"] == status
    assert (await operator.request("GET", "/tags/TOUR-BAD"))[0] == 404
    await charger.start(1000, id_tag="TOUR-OK")
    # The tag's only place is taken, by another outlet of the same station too.
    second = Charger(system.station_urls, "TAGS-2", ledger)
    await second.connect()
    await second.boot()
    await second.start(1000, id_tag="TOUR-OK")
    assert ledger.book().transactions[second.key].status == "ConcurrentTx"
    for each in (charger, second):
        await each.go_on(1000)
        await each.leave()


async def test_what_nobody_understands(system: System, operator: Operator, ledger: LedgerFile) -> None:
    """A text that is no frame and a CALL of no known action are kept, shown, and dropped; the station goes on."""
    charger = Charger(system.station_urls, "GARBAGE", ledger)
    await charger.connect()
    await charger.boot()
    charger.station.send_raw("[2,,,")
    with pytest.raises(Exception, match="NotImplemented"):
        await charger.call("Brew", {"cups": 2})
    await charger.charge()
    kept = await _json(operator, "quarantine", "list", "--station", "GARBAGE")
    assert sorted(one["action"] or "" for one in kept) == ["", "Brew"]
    for one in kept:
        (whole,) = await _json(operator, "quarantine", "show", one["id"])
        assert whole["frame"]
        await _cli(operator, "quarantine", "drop", one["id"], "--yes")
    assert await operator.items("/quarantine", station_id="GARBAGE") == []
    checks.sound(await checks.transactions(operator, ledger.book(), "GARBAGE"))
    await charger.leave()
