"""The embedded Valkey keeps what it was told."""

import sys
import sysconfig
from pathlib import Path

import pytest
import redis
import redis.asyncio

from ampstream.up import valkey
from tests.support import ValkeyServer, running_valkey


def test_data_survives_a_kill(tmp_path: Path) -> None:
    """What was answered is there after kill -9 and a new start in the same directory."""
    with running_valkey(tmp_path) as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
        server.kill()
        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.get("kept") == b"yes"


def test_configuration_is_durable(redis_url: str) -> None:
    """The server runs with every setting that the promise of durability needs."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("appendfsync") == {"appendfsync": "always"}
        assert client.config_get("no-appendfsync-on-rewrite") == {"no-appendfsync-on-rewrite": "no"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert set(client.config_get("notify-keyspace-events")["notify-keyspace-events"]) >= {"E", "x"}


def test_socket_of_a_deep_directory_is_short_enough(tmp_path: Path) -> None:
    """A data directory whose path is too long for a Unix socket still gets a server on one."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with running_valkey(deep) as server, redis.Redis.from_url(server.unix_url) as client:
        assert len(str(valkey.socket_path(deep))) <= 100
        assert client.ping()


def test_directory_with_spaces_and_quotes(tmp_path: Path) -> None:
    """A data directory with blanks and quotes in its name is written into the configuration as it is."""
    odd = tmp_path / 'my "data" dir'
    with running_valkey(odd) as server, redis.Redis.from_url(server.unix_url) as client:
        assert client.config_get("dir")["dir"] == str(odd.resolve())


def test_the_server_runs_on_the_systems_jemalloc(tmp_path: Path) -> None:
    """Where the system has it, the server has it in its memory; elsewhere nothing is preloaded and the server runs."""
    library = valkey.jemalloc()
    with running_valkey(tmp_path, env=valkey.environment({"PATH": "/usr/bin:/bin"})) as server:
        assert server.process is not None
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        maps = Path(f"/proc/{server.process.pid}/maps")
        if maps.exists():
            assert ("libjemalloc" in maps.read_text()) == (library is not None)


def test_what_is_preloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jemalloc where there is one, unless somebody preloads something himself; every other variable stays."""
    monkeypatch.setattr(valkey, "jemalloc", lambda: Path("/usr/lib64/libjemalloc.so.2"))
    assert valkey.environment({"A": "1"}) == {"A": "1", "LD_PRELOAD": "/usr/lib64/libjemalloc.so.2"}
    assert valkey.environment({"LD_PRELOAD": "mine.so"}) == {"LD_PRELOAD": "mine.so"}
    monkeypatch.setattr(valkey, "jemalloc", lambda: None)
    assert valkey.environment({"A": "1"}) == {"A": "1"}


def test_jemalloc_is_looked_for_on_linux_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found where distributions put it, this machine's kind first; no other system has an LD_PRELOAD."""
    there: set[str] = {"/usr/lib64/libjemalloc.so.2", "/usr/lib/libjemalloc.so.2"}
    monkeypatch.setattr(Path, "exists", lambda path: str(path) in there)
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _name: "aarch64-linux-gnu")
    monkeypatch.setattr(sys, "platform", "linux")
    assert valkey.jemalloc() == Path("/usr/lib64/libjemalloc.so.2")
    there.add("/usr/lib/aarch64-linux-gnu/libjemalloc.so.2")
    assert valkey.jemalloc() == Path("/usr/lib/aarch64-linux-gnu/libjemalloc.so.2")
    there.clear()
    assert valkey.jemalloc() is None
    there.add("/usr/lib/libjemalloc.so.2")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert valkey.jemalloc() is None


async def test_fixture_gives_an_empty_server(redis_client: "redis.asyncio.Redis", valkey_server: ValkeyServer) -> None:
    """Every test begins without a key."""
    assert await redis_client.dbsize() == 0
    assert valkey_server.process is not None
