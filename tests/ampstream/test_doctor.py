"""`ampstream doctor` against real servers and a real machine."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner

from ampstream.doctor import file_checks, host_checks
from ampstream.doctor.command import doctor
from shared.settings import Settings
from tests.support import free_port


def examine(url: str, data: Path, **env: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit status and findings by subject, on ports that are free."""
    ports = {
        name: str(free_port()) for name in ("AMPSTREAM_STATION_PORT", "AMPSTREAM_HTTP_PORT", "AMPSTREAM_WORKER_PORT")
    }
    result = CliRunner().invoke(
        doctor,
        ["--json", "--data", str(data)],
        env={"AMPSTREAM_REDIS_URL": url, "AMPSTREAM_MAX_CONNECTIONS": "500"} | ports | env,
    )
    assert "Traceback" not in result.output
    return result.exit_code, {finding["subject"]: finding for finding in json.loads(result.output)}


def test_all_is_well_with_the_embedded_server(redis_url: str, tmp_path: Path) -> None:
    """A durable server on a machine with room passes every check that matters."""
    status, found = examine(redis_url, tmp_path)
    assert status == 0
    assert {finding["level"] for name, finding in found.items() if name != "disk"} == {"ok"}


def test_no_server(tmp_path: Path) -> None:
    """A server that does not answer fails, with the address and without the password."""
    status, found = examine(f"redis://me:hunter2@127.0.0.1:{free_port()}/0", tmp_path)
    assert status == 1
    assert found["redis"]["level"] == "fail"
    assert "hunter2" not in json.dumps(found)
    assert "AMPSTREAM_REDIS_URL" in found["redis"]["mend"]


def test_unsafe_settings_fail_with_their_remedy(redis_url: str, tmp_path: Path) -> None:
    """A server that could lose an answered report fails, with what to do; the developer's switch turns that down."""
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("appendfsync", "everysec")
        client.config_set("notify-keyspace-events", "")
        try:
            status, found = examine(redis_url, tmp_path)
            relaxed, _ = examine(redis_url, tmp_path, AMPSTREAM_REQUIRE_DURABLE="false")
        finally:
            client.config_set("appendfsync", "always")
            client.config_set("notify-keyspace-events", "Ex")
    assert (status, relaxed) == (1, 0)
    assert found["appendfsync"]["level"] == "fail"
    assert "CONFIG SET appendfsync always" in found["appendfsync"]["mend"]
    assert found["notify-keyspace-events"]["level"] == "warn"


def test_a_barrier_without_replicas_fails(redis_url: str, tmp_path: Path) -> None:
    """More replicas waited for than there are: every commit would wait in vain."""
    status, found = examine(redis_url, tmp_path, AMPSTREAM_REPLICA_BARRIER="1")
    assert (status, found["replicas"]["level"]) == (1, "fail")


def test_little_memory_is_told(redis_url: str, tmp_path: Path) -> None:
    """Near maxmemory the doctor says so before the edges stop."""
    with redis.Redis.from_url(redis_url) as client:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", used + 10_000)
        try:
            status, found = examine(redis_url, tmp_path)
        finally:
            client.config_set("maxmemory", 0)
    assert (status, found["memory"]["level"]) == (1, "fail")


def test_a_taken_port_fails(redis_url: str, tmp_path: Path) -> None:
    """A port that something else holds is named with its variable."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        status, found = examine(redis_url, tmp_path, AMPSTREAM_STATION_PORT=port)
    assert status == 1
    assert "AMPSTREAM_STATION_PORT" in found["station port"]["mend"]


def test_memory_file_systems_are_no_disk() -> None:
    """Data on tmpfs would not survive a power loss, and the doctor knows one when it sees it."""
    if host_checks.file_system(Path("/dev/shm")) != "tmpfs":
        pytest.skip("this machine has no tmpfs at /dev/shm")
    findings = {finding.subject: finding for finding in host_checks.check(Settings(), Path("/dev/shm"))}
    assert findings["disk"].level == "fail"


def test_a_command_for_people(redis_url: str, tmp_path: Path) -> None:
    """Without --json the findings are lines with a mark and, where needed, the remedy."""
    result = CliRunner().invoke(
        doctor, ["--data", str(tmp_path)], env={"AMPSTREAM_REDIS_URL": redis_url, "AMPSTREAM_REPLICA_BARRIER": "2"}
    )
    assert "FAIL replicas" in result.output
    assert "mend: connect replicas" in result.output
    assert "Ampstream would not serve: replicas" in result.output


def test_where_files_lie(tmp_path: Path) -> None:
    """A directory that can be written is told with its space; one that can't be, or is full, fails."""

    def found(**changed: Any) -> dict[str, str]:
        return {finding.subject: finding.level for finding in file_checks.check(Settings(**changed))}

    assert found() == {}
    good = {"transfer_dir": str(tmp_path / "files"), "transfer_reserve_bytes": 0, "image_max_bytes": 1}
    assert found(**good) == {"files": "ok"}
    assert found(**good, station_host="0.0.0.0") == {"files": "ok", "files' address": "warn"}
    assert found(**good | {"transfer_reserve_bytes": 2**60}) == {"files": "fail"}
    assert found(transfer_dir="/proc/nowhere/files") == {"files": "fail"}
