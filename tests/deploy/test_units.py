"""The systemd units: what systemd itself says of them, and that they fit the settings."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from shared.settings import load
from tests.chaos.harness.processes import ROOT
from tests.deploy.test_compose import program

FOLDER: Final = ROOT / "deploy" / "systemd"
UNITS: Final = ("ampstream-edge", "ampstream-worker")
EXPOSED: Final = 20
"""Tenths of systemd's exposure level, 0 to 100, that a unit may have at most; without confinement it is 96."""


def unit(name: str) -> configparser.ConfigParser:
    """Read a unit; the last of a repeated key wins."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(FOLDER / f"{name}.service")
    return parser


@pytest.fixture(params=[*UNITS, "ampstream-edge with shared files"])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit whose program is there; with the drop-in for files that several machines share, where the name says so."""
    program_path = shutil.which("ampstream", path=str(Path(sys.executable).parent))
    name, _, shared = request.param.partition(" ")
    path = tmp_path / f"{name}.service"
    if shared:
        shutil.copytree(FOLDER / f"{path.name}.d", tmp_path / f"{path.name}.d")
    text = (FOLDER / path.name).read_text()
    path.write_text(text.replace("/opt/ampstream/bin/ampstream", str(program_path)))
    return path


def test_systemd_finds_nothing_wrong(installed: Path) -> None:
    """`systemd-analyze verify` knows every directive, and has nothing to say."""
    done = subprocess.run([program("systemd-analyze"), "verify", str(installed)], capture_output=True, text=True)
    # Other units of the machine are none of ours.
    names = (installed.name, "shared-files.conf")
    assert not [line for line in (done.stdout + done.stderr).splitlines() if any(name in line for name in names)]


def test_a_wrong_directive_is_noticed(installed: Path) -> None:
    """The check is one: a misspelt directive is named."""
    installed.write_text(installed.read_text().replace("LimitNOFILE=", "LimitNOFILES="))
    done = subprocess.run([program("systemd-analyze"), "verify", str(installed)], capture_output=True, text=True)
    assert "LimitNOFILES" in done.stdout + done.stderr


def test_they_are_confined(installed: Path) -> None:
    """systemd's own measure of exposure is low."""
    command = [program("systemd-analyze"), "security", "--offline=true", f"--threshold={EXPOSED}", str(installed)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("name", UNITS)
def test_they_fit_the_settings(name: str, tmp_path: Path) -> None:
    """There are descriptors for a full edge and time for a drain; the settings load, the command exists."""
    service = unit(name)["Service"]
    (tmp_path / "redis-url").write_text("redis://edge:x@127.0.0.1:6379/0")
    text = (FOLDER / f"{name}.service").read_text()
    environ = dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE))
    environ["AMPSTREAM_REDIS_URL_FILE"] = environ["AMPSTREAM_REDIS_URL_FILE"].replace("%d", str(tmp_path))
    settings = load(environ)
    assert int(service["TimeoutStopSec"]) >= settings.drain_s + 5
    assert service["ExecStart"].split()[1] == name.removeprefix("ampstream-")
    assert service["LoadCredential"].startswith("redis-url:/etc/ampstream/")
    if name == "ampstream-edge":
        assert int(service["LimitNOFILE"]) >= settings.max_connections + 500
        assert settings.station_host == settings.transfer_host == "0.0.0.0"


def test_an_edge_may_write_files_and_nothing_else() -> None:
    """Alone it has a directory of its own; the drop-in gives it the shared one, and a user with a fixed number."""
    service = unit("ampstream-edge")["Service"]
    assert (service["ProtectSystem"], service["StateDirectory"], service["DynamicUser"]) == (
        "strict",
        "ampstream",
        "yes",
    )
    assert "ReadWritePaths" not in service
    assert "AMPSTREAM_TRANSFER_DIR=/var/lib/ampstream/files" in (FOLDER / "ampstream-edge.service").read_text()
    drop_in = configparser.ConfigParser(interpolation=None)
    drop_in.optionxform = str  # type: ignore[assignment,method-assign]
    drop_in.read(FOLDER / "ampstream-edge.service.d" / "shared-files.conf")
    place = drop_in["Service"]["ReadWritePaths"]
    assert (drop_in["Service"]["User"], drop_in["Unit"]["AssertPathIsMountPoint"]) == ("ampstream", place)
    assert "StateDirectory" not in unit("ampstream-worker")["Service"]
