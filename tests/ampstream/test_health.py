"""`ampstream health`: what a container's health check runs."""

from __future__ import annotations

import asyncio

import pytest
from click.testing import CliRunner, Result

from ampstream.cli import main
from shared import observe
from tests.support import free_port


async def ask(*arguments: str, **settings: str) -> Result:
    """Run the command beside the loop that answers it."""
    environ = {f"AMPSTREAM_{name}": value for name, value in settings.items()}
    return await asyncio.to_thread(CliRunner().invoke, main, ["health", *arguments], env=environ)


@pytest.mark.parametrize("which", ["HTTP_PORT", "WORKER_PORT"])
async def test_the_process_of_these_settings_is_asked(which: str) -> None:
    """An edge and a worker alike are found by the settings; alive is not ready."""
    runner, port = await observe.serve("127.0.0.1", 0, lambda: ["waiting for Redis"])
    ports = {"HTTP_PORT": str(free_port()), "WORKER_PORT": str(free_port())} | {which: str(port)}
    hosts = {"OPERATOR_HOST": "0.0.0.0", "WORKER_HOST": "0.0.0.0"}
    alive = await ask(**ports, **hosts)
    assert (alive.exit_code, '"ok"' in alive.output) == (0, True), alive.output
    unready = await ask("--ready", **ports, **hosts)
    assert unready.exit_code == 1
    assert "waiting for Redis" in unready.output
    await runner.cleanup()


async def test_a_url_is_asked_instead() -> None:
    """With a URL that one is asked; nobody there, and no URL, are errors that say so."""
    runner, port = await observe.serve("127.0.0.1", 0, list)
    assert (await ask("--ready", f"http://127.0.0.1:{port}/")).exit_code == 0
    await runner.cleanup()
    gone = await ask(f"http://127.0.0.1:{port}")
    assert (gone.exit_code, "does not answer" in gone.output) == (1, True)
    assert (await ask("127.0.0.1:1")).exit_code == 2
