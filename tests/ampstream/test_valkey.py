"""The embedded Valkey keeps what it was told."""

from pathlib import Path

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


async def test_fixture_gives_an_empty_server(redis_client: "redis.asyncio.Redis", valkey_server: ValkeyServer) -> None:
    """Every test begins without a key."""
    assert await redis_client.dbsize() == 0
    assert valkey_server.process is not None
