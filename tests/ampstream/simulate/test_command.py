"""`ampstream simulate` from its command line."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from unittest.mock import MagicMock, patch

import msgspec
import pytest
from click.testing import CliRunner

from ampstream.simulate.command import simulate
from ampstream.simulate.drawlog import DrawLog
from ampstream.simulate.ledger import read
from tests.ampstream.simulate.csms import running_csms
from tests.support import PATIENCE_S, wait_until


async def run(*arguments: str) -> tuple[int, list[str], str]:
    """Run the command to its end; return exit status, lines and errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ampstream", "simulate", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode().splitlines(), err.decode()


async def test_a_fleet_with_ledger_and_json(tmp_path: Path) -> None:
    """For a while, then to a settled end: status lines are JSON, ledger and draws hold every session."""
    ledger, passwords, draws = tmp_path / "ledger", tmp_path / "passwords", tmp_path / "draws"
    passwords.write_text("SIM-00001:one\n*:all others\n")
    async with running_csms() as csms:
        code, lines, err = await run(
            *("--url", csms.url, "--stations", "3", "--speed", "300", "--duration", "3", "--finish", "--json"),
            *("--ledger", str(ledger), "--password-file", str(passwords), "--connect-rate", "0"),
            *("--draw-log", str(draws)),
        )
        assert code == 0, err
        last = msgspec.json.decode(lines[-1])
        book = read(ledger)
        assert last["stations"] == 3
        assert last["stopped"] == len(csms.stops) == len(book.transactions) > 0
        assert book.settled()
        assert book.energy_wh == last["energy_wh"]
        log = DrawLog.read(draws)
        changes = [one for station in log.stations for one in log.changes(station)]
        ends = {(one.station, one.connector, round(one.origin_ms)): one.at_ms for one in changes if not one.stretch}
        begun = [one for one in changes if one.stretch]
        assert len(begun) == len(ends) == len(book.transactions)
        drawn = sum(one.energy_wh(ends[one.station, one.connector, round(one.origin_ms)]) for one in begun)
        assert drawn == pytest.approx(book.energy_wh, rel=0.01, abs=20)
        assert csms.authorizations["SIM-00001"] != csms.authorizations["SIM-00002"]


def test_shares_of_behaviours() -> None:
    """A behaviour with a share is that of so many stations, the same ones for the same seed."""
    runner, chosen = CliRunner(), []
    for _ in range(2):
        with patch("ampstream.simulate.command._run", new=MagicMock()) as run, patch("ampstream.simulate.command.loop"):
            arguments = ["--stations", "200", "--behaviour", "slow:25", "--behaviour", "loose"]
            assert runner.invoke(simulate, arguments).exit_code == 0
        options = run.call_args.args[0]
        chosen.append([options.behaviour_of(one).name for one in options.station_ids()])
    assert chosen[0] == chosen[1]
    assert set(chosen[0]) == {"loose", "slow+loose"}
    assert 30 < chosen[0].count("slow+loose") < 70


async def test_ctrl_c_ends_in_order() -> None:
    """SIGINT closes the sockets and ends with status 0, without a traceback."""
    async with running_csms() as csms:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ampstream", "simulate", "--url", csms.url, "--stations", "2"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        await wait_until(lambda: csms.actions().count("BootNotification") == 2, 30)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        assert (process.returncode, err) == (0, b"")
        assert b"2/2 online" in out
        await wait_until(lambda: all(peer._connection.ws.closed for peer in csms.peers.values()))
        assert {peer._connection.ws.close_code for peer in csms.peers.values()} == {1001}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--url", "http://x/"], "--url"),
        (["--id-tags", "x" * 21], "--id-tags"),
        (["--stations", "200000"], "ulimit"),
        (["--profile", "lazy"], "--profile"),
        (["--behaviour", "lazy"], "--behaviour"),
        (["--behaviour", "slow:200"], "--behaviour"),
    ],
)
def test_bad_options(arguments: list[str], complaint: str) -> None:
    """A wrong option is an error that names it."""
    result = CliRunner().invoke(simulate, arguments)
    assert result.exit_code != 0
    assert complaint in result.output


def test_bad_files(tmp_path: Path) -> None:
    """A password file or ledger that is none is an error that says where."""
    bad = tmp_path / "bad"
    bad.write_text("SIM-00001 no colon\n")
    result = CliRunner().invoke(simulate, ["--password-file", str(bad)])
    assert "line 1" in result.output
    assert "no colon" not in result.output
    result = CliRunner().invoke(simulate, ["--ledger", str(bad)])
    assert "line 1" in result.output
