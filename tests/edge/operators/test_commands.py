"""The operator's commands, run as a person runs them, against a listener."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ampstream import operator_token
from ampstream.operator.words import _WORDS, sentence
from edge.operators.eventdata import events_of
from shared.bus import keys
from shared.records.events import EVENT_TYPES, StationBooted, StationOffline
from shared.records.packing import pack
from shared.records.queries import tokens
from shared.records.queries.events import EventEntry
from shared.records.requests import CreateStation, Request
from shared.records.stations import ConnectorRecord, SessionRecord
from shared.records.tokens import digest
from shared.records.transactions import Reading, Sample
from tests.edge.operators.stage import T0, Stage, transaction
from tests.edge.operators.test_quarantine import frame
from tests.edge.operators.test_stations import store_key
from tests.support import PATIENCE_S
from tests.terminal import Done, ampstream

OPEN = SessionRecord(epoch=T0, node="edge-1", subprotocol="ocpp1.6", connection="open", opened_at=T0)


def environment(stage: Stage, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AMPSTREAM_")}
    api = {"AMPSTREAM_API_URL": stage.url, "AMPSTREAM_API_TOKEN": stage.token}
    return {**kept, **api, "COLUMNS": "250", "TZ": "UTC", **more}


async def run(stage: Stage, *words: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Done:
    """Run `ampstream words`."""
    return await ampstream(*words, env=env or environment(stage), cwd=cwd or Path.cwd())


async def test_stations_as_a_table_and_as_json(stage: Stage) -> None:
    """People get columns, scripts one object a line."""
    await stage.station("CP1", session=OPEN, vendor="Acme", model="X1", registration="accepted")
    await stage.station("CP2")
    await stage.connectors("CP1", ConnectorRecord(connector_id=1, status="Charging", reported_at=T0))
    await stage.transactions(transaction(7, state="open"))
    table, lines = await asyncio.gather(run(stage, "stations", "list"), run(stage, "stations", "list", "--json"))
    assert table.status == 0, table.err
    assert "1 Charging" in table.out
    assert "2 stations" in table.out
    assert [one["station_id"] for one in lines.lines] == ["CP1", "CP2"]
    shown = await run(stage, "stations", "show", "CP1")
    assert "Open transactions" in shown.out
    assert "Acme X1" in shown.out


async def keep(stage: Stage, station_id: str, request: Request) -> None:
    if isinstance(request, CreateStation):
        await store_key(stage, station_id, request)


async def test_a_station_from_create_to_delete(stage: Stage) -> None:
    """What the options say reaches the worker; a key is shown once."""
    stage.node.before_answer = lambda station_id, request: keep(stage, station_id, request)
    await stage.station("CP9")
    made = await run(stage, "stations", "create", "CP9", "--make-key", "--no-ping", "--boot-policy", "pending")
    assert made.status == 0, made.err
    assert "shown this once" in made.out
    assert (await run(stage, "stations", "update", "CP9", "--boot-policy", "default")).status == 0
    assert (await run(stage, "stations", "disconnect", "CP9")).status == 0
    assert (await run(stage, "stations", "delete", "CP9", "--yes", "--force")).status == 0
    create, update, _, delete = (request for _, request in stage.node.asked)
    assert (create.ping, create.boot_policy) == (False, "pending")  # type: ignore[attr-defined]
    assert update.boot_policy == ""  # type: ignore[attr-defined]
    assert delete.force  # type: ignore[attr-defined]


async def test_transactions_and_their_meter_values(stage: Stage, tmp_path: Path) -> None:
    """Listed, shown, and their samples as table, JSON and CSV file."""
    await stage.transactions(*(transaction(n) for n in range(1, 8)))
    await stage.readings("CP1", 1, Reading(T0, (Sample("Voltage", 230.1, "V"),)))
    listed = await run(stage, "transactions", "list", "--limit", "3", "--json")
    assert [one["id"] for one in listed.lines] == [7, 6, 5]
    assert "49.000 kWh" in (await run(stage, "transactions", "list")).out
    assert "7.000 kWh" in (await run(stage, "transactions", "show", "1")).out
    assert "230.1" in (await run(stage, "transactions", "meter-values", "1")).out
    target = tmp_path / "out.csv"
    assert (await run(stage, "transactions", "meter-values", "1", "-o", str(target))).status == 0
    assert target.read_text().splitlines()[1].startswith("2026-01-01T00:00:00.000Z,")


async def test_tags_are_set_shown_and_deleted(stage: Stage) -> None:
    """`set` creates and changes; what is not given stays."""
    assert (await run(stage, "tags", "set", "A/1", "--parent", "fleet")).status == 0
    assert (await run(stage, "tags", "set", "A/1", "--status", "blocked")).status == 0
    (found,) = (await run(stage, "tags", "show", "A/1", "--json")).lines
    assert (found["status"], found["parent"]) == ("blocked", "fleet")
    assert "1 tag" in (await run(stage, "tags", "list")).out
    assert (await run(stage, "tags", "delete", "A/1", "--yes")).status == 0
    assert (await run(stage, "tags", "delete", "A/1", "--yes")).status == 1


async def test_an_import_names_bad_rows_by_their_line_in_the_file(stage: Stage, tmp_path: Path) -> None:
    """Over chunks, empty lines and line breaks inside quotes; the exit status tells."""
    rows = [f"TAG{n}," for n in range(2500)]
    rows[10] = 'TAG10,"two\nlines"'
    rows[1200] = ""
    rows[1500] = "TAG1500"
    rows[2400] = ","
    file = tmp_path / "tags.csv"
    file.write_text("id_tag,note\n" + "\n".join(rows) + "\n")
    done = await run(stage, "tags", "import", str(file), "--json")
    (report,) = done.lines
    assert done.status == 1
    assert (report["rows"], report["created"], report["failed"]) == (2499, 2497, 2)
    # The quoted break moves what follows by one line.
    assert [(fault["line"], fault["field"]) for fault in report["errors"]] == [(1503, ""), (2403, "id_tag")]
    text = file.read_text().splitlines()
    assert (text[1502], text[2402]) == ("TAG1500", ",")
    again = await run(stage, "tags", "import", str(file))
    assert "line 2403: id_tag is missing" in again.err
    assert "2499 rows: 0 created, 2497 replaced, 2 bad" in again.out


async def test_a_file_that_is_no_csv_is_refused_at_once(stage: Stage, tmp_path: Path) -> None:
    """The message names file and line; nothing is written."""
    file = tmp_path / "tags.csv"
    file.write_text('id_tag\n"A"x\n')
    done = await run(stage, "tags", "import", str(file))
    assert done.status == 1
    assert f"{file}, line 2" in done.err
    assert await stage.lane.one("ZCARD", keys.TAGS) == 0


async def test_quarantine_is_looked_after(stage: Stage) -> None:
    """Listed, shown whole, replayed, dropped."""
    await stage.quarantine(frame(1))
    name = frame(1).quarantine_id
    assert "not_json" in (await run(stage, "quarantine", "list")).out
    assert "[2," in (await run(stage, "quarantine", "show", name)).out
    assert (await run(stage, "quarantine", "replay", name)).status == 0
    assert (await run(stage, "quarantine", "drop", name, "--yes")).status == 0
    assert len(stage.node.asked) == 2


async def test_events_stream_and_resume(stage: Stage) -> None:
    """JSON lines with positions; --after goes on behind one; Ctrl-C is a good end."""
    for n in range(3):
        await stage.emit(StationOffline(station_id="CP1", at=T0 + n, id=f"e{n}", epoch=1, cause="close"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ampstream", "events", "--after", "0", "--json", env=environment(stage),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    first = json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE_S))
    assert first["event"]["id"] == "e0"
    process.send_signal(2)
    _, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert (process.returncode, err) == (0, b"")
    tail = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ampstream", "tail", "CP1", "--after", first["position"], env=environment(stage),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert tail.stdout is not None
    assert b"offline (close)" in await asyncio.wait_for(tail.stdout.readline(), PATIENCE_S)
    await asyncio.wait_for(tail.stdout.readline(), PATIENCE_S)
    booted = StationBooted(station_id="CP1", at=T0, status="accepted", vendor="Acme", model="X1", firmware="2")
    await stage.emit(booted)
    line = await asyncio.wait_for(tail.stdout.readline(), PATIENCE_S)
    assert b"booted: Acme X1, firmware 2, answered accepted" in line
    tail.terminate()
    await tail.wait()


async def test_what_goes_wrong_is_said_in_words(stage: Stage, tmp_path: Path) -> None:
    """No server, a refused token, no token, a wrong filter: each says what to do."""
    away, refused, none, wrong, silent = await asyncio.gather(
        run(stage, "stations", "list", "--api", "http://127.0.0.1:1"),
        run(stage, "stations", "list", "--token", "amp_no"),
        run(stage, "stations", "list", env=environment(stage, AMPSTREAM_API_TOKEN=""), cwd=tmp_path),
        run(stage, "events", "--type", "car.flew"),
        run(stage, "events", "--api", "http://127.0.0.1:1"),
    )
    assert "cannot reach http://127.0.0.1:1" in away.err
    assert "unknown or revoked (token from --token)" in refused.err
    assert "ampstream up` writes it" in none.err
    assert "has no event type" in wrong.err
    assert "cannot reach" in silent.err
    assert all(done.status != 0 and "Traceback" not in done.err for done in (away, refused, none, wrong, silent))


async def test_the_first_token_is_made_once(stage: Stage, tmp_path: Path) -> None:
    """Kept in a file of its owner; made anew only where the file or the token is gone."""
    path, url = tmp_path / "data" / "operator.token", stage.node.settings.redis_url.reveal()
    made = await operator_token.ensure(url, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert await operator_token.ensure(url, path) == made
    found = await tokens.token(stage.lane, digest(made))
    assert found is not None
    assert found.scope == "admin"
    env = environment(stage, AMPSTREAM_API_TOKEN="")
    assert (await run(stage, "stations", "list", env=env, cwd=tmp_path)).status == 0
    await stage.write(("DEL", keys.TOKENS))
    assert await operator_token.ensure(url, path) != made
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", list(EVENT_TYPES))
def test_every_event_has_words(name: str) -> None:
    """`tail` knows each type of the list, with any field at its default."""
    kind = EVENT_TYPES[name]
    samples: dict[Any, Any] = {int: 1, float: 1.5, str: "x", bool: True}
    given = {field.name: samples.get(field.type, "x") for field in msgspec.structs.fields(kind) if field.required}
    if name == "transaction.ended":
        given["meter_stop_wh"] = None
    (event,) = events_of(EventEntry(1, 0, [msgspec.Raw(pack(kind(**given)))]))
    assert name in _WORDS
    assert sentence(name, json.loads(event.data))
