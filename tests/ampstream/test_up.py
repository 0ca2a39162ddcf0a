"""`ampstream up` as a new user runs it: everything starts, comes back when killed, ends, and is there again."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from ampstream.up import valkey
from shared.bus import keys
from tests.support import free_port, wait_until_sync

WAIT_S = 45.0
PROCESSES = ("valkey", "worker-0", "edge-0", "simulator")

pytestmark = pytest.mark.slow


class Up:
    """`ampstream up` with three stations that live fast, on ports of its own."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        ports = [f"--{name}-port={free_port()}" for name in ("station", "http", "worker", "transfer")]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AMPSTREAM_")}
        self.log = (data.parent / "up.log").open("a")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ampstream",
                "up",
                "--stations=3",
                "--speed=120",
                f"--data={data}",
                *ports,
                *options,
            ],
            stdout=self.log,
            stderr=self.log,
            env=environ,
        )

    def processes(self) -> dict[str, dict[str, Any]]:
        """What `up` says of its processes."""
        path = self.data / "up.json"
        state = msgspec.json.decode(path.read_bytes(), type=dict[str, Any]) if path.exists() else {}
        return state["processes"] if state.get("pid") == self.process.pid else {}

    def ready(self) -> bool:
        """Tell whether every process serves."""
        assert self.process.poll() is None, self.said()
        processes = self.processes()
        return all(processes.get(name, {}).get("state") == "ready" for name in PROCESSES)

    def online(self) -> int:
        """How many stations are online; -1 while Valkey does not answer."""
        try:
            with self.client() as client:
                return int(client.hlen(keys.ONLINE))
        except redis.RedisError:
            return -1

    def transactions(self) -> int:
        """How many transactions are stored."""
        with self.client() as client:
            return int(client.zcard(keys.TRANSACTIONS))

    def client(self) -> redis.Redis:
        """A client of the embedded Valkey."""
        return redis.Redis.from_url(valkey.url(self.data / "redis"), socket_timeout=WAIT_S)

    def said(self) -> str:
        """What `up` printed."""
        return (self.data.parent / "up.log").read_text()

    def end(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it and wait."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(WAIT_S)
        self.log.close()


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run."""
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.timeout(240)
def test_everything_starts_survives_ends_and_is_there_again(tmp_path: Path) -> None:
    """Each process killed comes back and the stations with it; after Ctrl-C and a new start all is there."""
    data = tmp_path / "data"
    up = Up(data)
    try:
        wait_until_sync(up.ready, WAIT_S)
        wait_until_sync(lambda: up.online() == 3, WAIT_S)
        wait_until_sync(lambda: up.transactions() >= 1, WAIT_S)
        for name in ("worker-0", "edge-0", "valkey", "simulator"):
            os.kill(up.processes()[name]["pid"], signal.SIGKILL)
            wait_until_sync(lambda name=name: up.processes()[name]["restarts"] == 1, WAIT_S)  # type: ignore[misc]
            wait_until_sync(lambda: up.ready() and up.online() == 3, WAIT_S)
        stored, pids = up.transactions(), [each["pid"] for each in up.processes().values()]
        up.end()
        assert up.process.returncode == 0, up.said()
        assert not alive(pids)
    finally:
        up.end(signal.SIGKILL)
    again = Up(data)
    try:
        wait_until_sync(lambda: again.ready() and again.online() == 3, WAIT_S)
        assert again.transactions() >= stored
        again.end(signal.SIGTERM)
        assert again.process.returncode == 0
    finally:
        again.end(signal.SIGKILL)


def test_stations_that_must_be_known_are_made_known(tmp_path: Path) -> None:
    """Where unknown stations are rejected, the simulated ones are created with keys of their own, and charge."""
    up = Up(tmp_path / "data", "--unknown-stations=reject")
    try:
        wait_until_sync(up.ready, WAIT_S)
        wait_until_sync(lambda: up.online() == 3, WAIT_S)
        passwords = up.data / "stations.passwords"
        assert [line.split(":")[0] for line in passwords.read_text().splitlines()] == [
            f"SIM-0000{n}" for n in (1, 2, 3)
        ]
        assert passwords.stat().st_mode & 0o077 == 0
        assert (up.data / "operator.token").read_text().strip() in up.said()
        wait_until_sync(lambda: up.transactions() >= 1, WAIT_S)
    finally:
        up.end()
