"""`ampstream up` keeps its processes running, and leaves none behind: real processes, killed in every way."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from ampstream.up import valkey
from ampstream.up.child import Child, Spec
from tests.support import wait_until, wait_until_sync

WAIT_S = 20.0


class Up:
    """A running supervisor, seen from outside."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.ampstream.stand_in", str(data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def state(self) -> dict[str, Any]:
        """What the supervisor says of its processes."""
        path = self.data / "up.json"
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any]) if path.exists() else {}
        return found if found.get("pid") == self.process.pid else {}

    def pid(self, name: str) -> int:
        """The id of a child that serves; 0 where none does."""
        child = self.state().get("processes", {}).get(name, {})
        return int(child["pid"] or 0) if child.get("state") == "ready" else 0

    def wait_ready(self) -> dict[str, int]:
        """Wait until both serve, and return their ids."""
        return {name: wait_until_sync(lambda name=name: self.pid(name), WAIT_S) for name in ("valkey", "waiter")}  # type: ignore[misc]

    def end(self) -> None:
        """End what a failed test left."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """A supervisor over a real Valkey and a waiting process."""
    running = Up(tmp_path / "data")
    try:
        yield running
    finally:
        running.end()


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def client(data: Path) -> redis.Redis:
    """A client of the supervised Valkey."""
    return redis.Redis.from_url(valkey.url(data / "redis"), socket_timeout=WAIT_S)


def test_a_killed_valkey_comes_back_with_its_data(up: Up) -> None:
    """kill -9 of Valkey: a new one serves the same data, and the other process is left alone."""
    before = up.wait_ready()
    with client(up.data) as redis_client:
        redis_client.set("kept", "yes")
    os.kill(before["valkey"], signal.SIGKILL)
    again = wait_until_sync(lambda: (pid := up.pid("valkey")) != before["valkey"] and pid, WAIT_S)
    with client(up.data) as redis_client:
        assert redis_client.get("kept") == b"yes"
    assert again != before["valkey"]
    assert up.state()["processes"]["valkey"]["restarts"] == 1
    assert up.pid("waiter") == before["waiter"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_orderly_end_leaves_no_process(up: Up, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM ends every child in order, with status 0 and no state left."""
    children = up.wait_ready()
    up.process.send_signal(number)
    output, _ = up.process.communicate(timeout=WAIT_S)
    assert up.process.returncode == 0, output
    assert not any(is_alive(pid) for pid in children.values())
    assert not (up.data / "up.json").exists()


def test_a_killed_supervisor_takes_its_processes_along(up: Up) -> None:
    """kill -9 of `up` itself: no child outlives it."""
    children = up.wait_ready()
    up.process.kill()
    wait_until_sync(lambda: not any(is_alive(pid) for pid in children.values()), WAIT_S)


def test_the_next_up_waits_for_what_a_killed_one_left(up: Up, tmp_path: Path) -> None:
    """Started right after a kill -9, `up` waits until the old Valkey is gone, and then has its data."""
    old = up.wait_ready()
    with client(up.data) as redis_client:
        redis_client.set("kept", "yes")
    os.kill(old["valkey"], signal.SIGSTOP)
    up.process.kill()
    up.process.wait()
    second = Up(up.data)
    try:
        assert second.process.stdout is not None
        assert "waiting for the processes" in second.process.stdout.readline()
        wait_until_sync(lambda: not is_alive(old["waiter"]), WAIT_S)
        os.kill(old["valkey"], signal.SIGCONT)
        new = second.wait_ready()
        assert new["valkey"] != old["valkey"]
        with client(up.data) as redis_client:
            assert redis_client.get("kept") == b"yes"
        second.process.send_signal(signal.SIGTERM)
        second.process.communicate(timeout=WAIT_S)
        assert second.process.returncode == 0
    finally:
        second.end()


def test_a_second_up_on_the_same_data_is_refused(up: Up) -> None:
    """Two supervisors on one data directory: the second says whose it is and ends."""
    up.wait_ready()
    second = Up(up.data)
    output, _ = second.process.communicate(timeout=WAIT_S)
    assert second.process.returncode != 0
    assert f"process {up.process.pid}" in output
    assert is_alive(up.process.pid)


def test_a_process_that_cannot_stay_up_shows_its_last_words(tmp_path: Path) -> None:
    """A child that dies again and again is retried with growing pauses, and its log's last lines are shown."""

    async def never() -> str:
        return "never"

    async def scenario() -> list[str]:
        told: list[str] = []
        descriptors = [*os.pipe(), os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)]
        command = (sys.executable, "-c", "import sys; sys.exit('no such thing as a free port')")
        child = Child(
            Spec("sad", command, tmp_path / "sad.log", {}, never), descriptors[0], descriptors[2], told.append
        )
        child.start()
        await wait_until(lambda: child.restarts >= 3, WAIT_S)
        await child.stop(at_once=asyncio.Event())
        for descriptor in descriptors:
            os.close(descriptor)
        return told

    told = asyncio.run(scenario())
    assert sum("exit status 1" in line for line in told) >= 3
    assert any("no such thing as a free port" in line for line in told)
