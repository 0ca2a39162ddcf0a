"""The command line: quick, lazy, and clear about mistakes."""

import importlib.util
import json
import os
import resource
import socket
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from ampstream.cli import COMMANDS, main


def run(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit status and output of a command."""
    result = CliRunner().invoke(main, arguments, env=env)
    return result.exit_code, result.output


def test_the_overview_names_every_command() -> None:
    """`--help` lists all commands with what they do, without importing them."""
    status, output = run("--help")
    assert status == 0
    text = " ".join(output.split())
    for name, lazy in COMMANDS.items():
        assert f"{name} {lazy.text}" in text


def _children_cpu_s() -> float:
    """The CPU time of ended children: what a busy machine does not stretch as it does the time on the wall."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_overview_is_quick() -> None:
    """`ampstream --help` answers within the time a person notices, and imports no server library."""
    script = (
        "import sys\nfrom ampstream.cli import main\nmain(['--help'], standalone_mode=False)\n"
        "print(sorted({'aiohttp', 'redis', 'rich', 'msgspec'} & set(sys.modules)))"
    )
    times = []
    for _ in range(3):
        begun = _children_cpu_s()
        output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        times.append(_children_cpu_s() - begun)
    assert output.endswith("[]\n")
    assert min(times) < 0.3


@pytest.mark.parametrize("name", list(COMMANDS))
def test_each_command_loads_and_agrees_with_the_overview(name: str) -> None:
    """Every command can be imported, explains itself, and begins as the overview says."""
    if importlib.util.find_spec(COMMANDS[name].source.split(":")[0].rsplit(".", 1)[0]) is None:
        pytest.skip("not built yet")
    with click.Context(main) as context:
        command = main.get_command(context, name)
    assert command is not None
    assert (command.help or "").split("\n\n")[0].replace("\n", " ").strip() == COMMANDS[name].text
    status, output = run(name, "--help")
    assert status == 0, output


@pytest.mark.parametrize(("command", "line"), [("site", 'name = "main" '), ("profiles", "[[periods]]\n")])
def test_examples_keep_their_lines(command: str, line: str) -> None:
    """An example of a file in a command's help stands there line by line."""
    status, output = run(command, "put", "--help")
    assert status == 0
    assert f"\n      {line}" in output


def test_a_misspelt_command_gets_a_hint() -> None:
    """A wrong name is an error that suggests the near one."""
    status, output = run("setings")
    assert status == 2
    assert "Did you mean 'settings'?" in output


def test_the_version() -> None:
    """`--version` prints name and version."""
    status, output = run("--version")
    assert (status, output.split()[0]) == (0, "ampstream")


def test_settings_masks_and_names_sources() -> None:
    """`ampstream settings --json` shows values and sources, and no password."""
    status, output = run("settings", "--json", env={"AMPSTREAM_REDIS_URL": "redis://me:hunter2@host/0"})
    assert status == 0
    assert json.loads(output)["AMPSTREAM_REDIS_URL"] == {"value": "redis://me:***@host/0", "source": "env"}
    status, output = run("settings", "--changed", env={"AMPSTREAM_REDIS_URL": "redis://me:hunter2@host/0"})
    assert "AMPSTREAM_REDIS_URL" in output
    assert "hunter2" not in output
    assert "AMPSTREAM_HTTP_PORT" not in output


@pytest.mark.parametrize("command", ["settings", "edge", "worker", "doctor"])
def test_wrong_settings_are_named(command: str) -> None:
    """Every command that reads settings ends with 2 and a line for each wrong variable."""
    status, output = run(command, env={"AMPSTREAM_HTTP_PROT": "1", "AMPSTREAM_STATION_PORT": "x"})
    assert status == 2
    assert "did you mean AMPSTREAM_HTTP_PORT?" in output
    assert "AMPSTREAM_STATION_PORT" in output
    assert "Traceback" not in output


def test_an_edge_without_listeners_is_refused() -> None:
    """Both listeners switched off leave nothing to serve."""
    status, output = run("edge", "--no-stations", "--no-operators")
    assert status == 2
    assert "nothing to serve" in output


@pytest.mark.parametrize(
    ("command", "option"), [("edge", "--station-port"), ("edge", "--http-port"), ("worker", "--worker-port")]
)
def test_a_taken_port_is_told(command: str, option: str) -> None:
    """A process that cannot listen ends with one clear line that names the port, and no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AMPSTREAM_")}
        ports = {f"AMPSTREAM_{name}_PORT": "0" for name in ("STATION", "HTTP", "WORKER")}
        done = subprocess.run(
            [sys.executable, "-m", "ampstream", command, option, port],
            capture_output=True,
            text=True,
            timeout=30,
            env=environ | ports | {"AMPSTREAM_REDIS_URL": "redis://127.0.0.1:1/0"},
            check=False,
        )
    assert done.returncode == 1
    assert f"cannot listen: error while attempting to bind on address ('127.0.0.1', {port})" in done.stderr
    assert "Traceback" not in done.stderr
