"""Runbooks: one per alert, complete, and their commands run."""

import re
import shlex
from pathlib import Path

import click
import pytest
import redis
from click.testing import CliRunner

from ampstream.cli import main
from shared.bus import keys
from shared.records import events

from .reading import RUNBOOKS, alerts

PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path.stem != "README")
PARTS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
FENCE = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
VALKEY = 'valkey-cli -u "$AMPSTREAM_REDIS_URL" '


def lines(page: Path) -> list[str]:
    """The commands of a page's fenced code."""
    return [line for block in FENCE.findall(page.read_text(encoding="utf-8")) for line in block.splitlines()]


def test_every_alert_has_a_runbook() -> None:
    """There is one page per alert, none beside, and the list names them all with their severity."""
    assert {page.stem for page in PAGES} == set(alerts())
    listed = re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| (\w+) \|", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)
    assert dict(listed) == {name: alert["labels"]["severity"] for name, alert in alerts().items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_runbooks_are_complete(page: Path) -> None:
    """A runbook says what the alert means, whom it hurts, how to find the cause with commands, and what to do."""
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n\nSeverity: {alerts()[page.stem]['labels']['severity']}.")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS
    assert lines(page)
    assert all(line.split()[0] in {"ampstream", "valkey-cli", "curl", "top"} for line in lines(page))


def test_their_ampstream_commands_run() -> None:
    """Every `ampstream` command of a runbook has a help that names each option it uses, and event types exist."""
    configs = [getattr(event, "__struct_config__", None) for event in vars(events).values()]
    types = {config.tag for config in configs if config is not None and isinstance(config.tag, str)}
    for command in sorted({line for page in PAGES for line in lines(page) if line.startswith("ampstream ")}):
        words = shlex.split(command)[1:]
        told = CliRunner().invoke(main, [*path_of(words), "--help"])
        assert told.exit_code == 0, command
        assert all(word in told.output for word in words if word.startswith("-")), command
        for wanted in re.findall(r"--type (\S+)", command):
            assert any(re.fullmatch(wanted.replace("*", ".*"), name) for name in types), command


def path_of(words: list[str]) -> list[str]:
    """Return the leading words that name a command."""
    command: click.Command | None = main
    path: list[str] = []
    while words and isinstance(command, click.Group):
        command = command.get_command(click.Context(main), words[0])
        path, words = [*path, words[0]], words[1:]
    return path


def test_their_valkey_commands_run(redis_url: str) -> None:
    """Every `valkey-cli` command of a runbook is accepted by a real Valkey that has an uplink."""
    commands = sorted({line for page in PAGES for line in lines(page) if line.startswith("valkey-cli")})
    assert len(commands) > 20
    with redis.Redis.from_url(redis_url) as client:
        client.response_callbacks.clear()  # an answer counts, whatever its shape
        client.xgroup_create(keys.uplink(0), keys.GROUP, id="0", mkstream=True)
        for command in commands:
            assert command.startswith(VALKEY)
            client.execute_command(*shlex.split(command.removeprefix(VALKEY)))
