"""The check of Redis's durability settings."""

import pytest
import redis

from shared import durability

GOOD_CONFIG = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
    "notify-keyspace-events": "xE",
}
VALKEY = {"redis_version": "7.2.4", "valkey_version": "9.1.2"}


def subjects(info: dict[str, str], config: dict[str, str], replica_barrier: int = 0) -> list[str]:
    """What the check complains of."""
    return [problem.subject for problem in durability.check(info, config, replica_barrier=replica_barrier)]


def test_the_embedded_server_passes(redis_url: str) -> None:
    """The Valkey that Ampstream starts has nothing wrong with it."""
    with redis.Redis.from_url(redis_url) as client:
        found = {key: value for name in durability.CONFIG_KEYS for key, value in client.config_get(name).items()}
        assert durability.check(client.info("server"), found, replica_barrier=1) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("appendonly", "no"),
        ("appendfsync", "everysec"),
        ("no-appendfsync-on-rewrite", "yes"),
        ("maxmemory-policy", "allkeys-lru"),
    ],
)
def test_each_unsafe_setting_blocks(key: str, value: str) -> None:
    """Any setting under which an answered report could vanish keeps a process from serving."""
    problems = durability.check(VALKEY, GOOD_CONFIG | {key: value})
    assert [problem.subject for problem in problems] == [key]
    assert durability.blocking(problems, require_durable=True) == problems
    assert durability.blocking(problems, require_durable=False) == []
    assert value in str(problems[0])
    assert "CONFIG SET" in str(problems[0])


def test_a_hidden_setting_blocks() -> None:
    """A setting that the server does not show counts as unsafe."""
    config = {key: value for key, value in GOOD_CONFIG.items() if key != "appendfsync"}
    assert subjects(VALKEY, config) == ["appendfsync"]


@pytest.mark.parametrize(("flags", "warned"), [("", True), ("Kx", True), ("Ex", False), ("AKE", False), ("Eg", True)])
def test_missing_expiry_events_only_warn(flags: str, *, warned: bool) -> None:
    """Without expiry events Ampstream serves, and says what comes later."""
    problems = durability.check(VALKEY, GOOD_CONFIG | {"notify-keyspace-events": flags})
    assert bool(problems) == warned
    assert durability.blocking(problems, require_durable=True) == []


@pytest.mark.parametrize(
    ("info", "barrier", "expected"),
    [
        ({"redis_version": "6.2.14"}, 0, ["version"]),
        ({"redis_version": "7.0.0"}, 0, []),
        ({"redis_version": "7.0.15"}, 1, ["waitaof"]),
        ({"redis_version": "7.2.4"}, 1, []),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.4"}, 1, []),
        ({"redis_version": "10.0.1"}, 1, []),
        ({}, 0, ["version"]),
    ],
)
def test_versions(info: dict[str, str], barrier: int, expected: list[str]) -> None:
    """Too old a server is refused, and a replica barrier needs WAITAOF."""
    assert subjects(info, GOOD_CONFIG, barrier) == expected


def test_bytes_are_understood() -> None:
    """The raw answers of a client that does not decode are checked alike."""
    raw = {key.encode(): value.encode() for key, value in GOOD_CONFIG.items()}
    assert durability.check({b"valkey_version": b"9.1.2"}, raw) == []
