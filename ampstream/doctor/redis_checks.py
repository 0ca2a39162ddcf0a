"""Checks of the Redis or Valkey that the settings name."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, cast

import redis

from ampstream.doctor.finding import Finding, fail, ok, warn
from shared import durability
from shared.settings import Settings

SLOW_S: Final = 0.005
CLOCK_WARN_S: Final = 1.0
_COMMANDS: Final = ("xadd", "xreadgroup", "xautoclaim", "xack", "xdel", "evalsha", "zadd", "hset")


def check(settings: Settings) -> Iterator[Finding]:
    """Yield the findings; a server that does not answer is the only one then."""
    url = settings.redis_url
    client = redis.Redis.from_url(
        url.reveal(),
        socket_connect_timeout=settings.redis_connect_timeout_s,
        socket_timeout=settings.redis_timeout_s,
    )
    with client:
        try:
            info = cast("dict[str, Any]", client.info())
        except (redis.RedisError, OSError, ValueError) as error:
            yield fail("redis", f"{url} does not answer: {error}", _unreachable(error))
            return
        yield _round_trip(client, info, str(url))
        yield from _guarded(client, info, settings)


def _guarded(client: redis.Redis, info: dict[str, Any], settings: Settings) -> Iterator[Finding]:
    parts: list[Callable[[], Iterable[Finding]]] = [
        lambda: _durability(info, _config(client), settings),
        lambda: _features(client),
        lambda: _writes(info),
        lambda: _memory(info, settings),
        lambda: _replicas(info, settings),
        lambda: _clock(client),
    ]
    for part in parts:
        try:
            yield from part()
        except (redis.RedisError, OSError) as error:
            yield fail("redis", f"a check was refused: {error}", "allow the user of AMPSTREAM_REDIS_URL this command")


def _unreachable(error: Exception) -> str:
    if isinstance(error, redis.AuthenticationError) or "NOPERM" in str(error) or "WRONGPASS" in str(error):
        return "put the right user and password into AMPSTREAM_REDIS_URL"
    return "start it, or set AMPSTREAM_REDIS_URL; `ampstream up` brings its own"


def _round_trip(client: redis.Redis, info: Mapping[str, Any], url: str) -> Finding:
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        client.ping()
        times.append(time.perf_counter() - begun)
    middle = sorted(times)[len(times) // 2]
    text = f"{durability.server_name(info)} at {url}, {middle * 1000:.2f} ms away"
    if middle > SLOW_S:
        return warn("redis", text, "bring Redis and Ampstream closer together: every answer takes several round trips")
    return ok("redis", text)


def _config(client: redis.Redis) -> dict[str, str]:
    found: dict[str, str] = {}
    for key in durability.CONFIG_KEYS:
        try:
            found |= cast("dict[str, str]", client.config_get(key))
        except redis.ResponseError:
            continue  # The check names it as not readable.
    return found


def _durability(info: Mapping[str, Any], config: Mapping[str, str], settings: Settings) -> Iterable[Finding]:
    problems = durability.check(info, config, replica_barrier=settings.replica_barrier)
    wrong = {problem.subject: problem for problem in problems}
    stop = durability.blocking(problems, require_durable=settings.require_durable)
    if "version" not in wrong:
        yield ok("version", durability.server_name(info))
    for key in durability.CONFIG_KEYS:
        if key not in wrong:
            yield ok(key, config.get(key, ""))
    for problem in problems:
        make = fail if problem in stop else warn
        yield make(problem.subject, f"{problem.found}: {problem.why}", problem.mend)


def _features(client: redis.Redis) -> Iterable[Finding]:
    known = cast("Any", client).command()
    missing = [name for name in _COMMANDS if name not in known]
    if missing:
        yield fail("features", f"missing or renamed: {', '.join(missing)}", "allow these commands")
    try:
        works = client.eval("return redis.call('PING')['ok']", 0)
    except redis.ResponseError as error:
        yield fail("scripts", f"Lua scripts are refused: {error}", "allow EVAL, EVALSHA and SCRIPT to this user")
        return
    if works and not missing:
        yield ok("features", "streams and scripts")


def _writes(info: Mapping[str, Any]) -> Iterable[Finding]:
    mend = "look at the server's log and its disk: is it full, or failing?"
    if info.get("loading"):
        yield fail("persistence", "the server is still loading its data", "wait until it has")
    elif info.get("aof_enabled") and info.get("aof_last_write_status") != "ok":
        yield fail("persistence", "the last write to the append-only file failed", mend)
    elif info.get("aof_enabled") and info.get("aof_last_bgrewrite_status") != "ok":
        yield fail("persistence", "the last rewrite of the append-only file failed", mend)
    elif info.get("aof_enabled"):
        yield ok("persistence", "the append-only file is written")


def _memory(info: Mapping[str, Any], settings: Settings) -> Iterable[Finding]:
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    megabytes = f"{used / 1e6:,.0f} MB used"
    if not limit:
        yield ok("memory", f"{megabytes}, no limit")
        return
    percent = 100 * used / limit
    text = f"{megabytes} of {limit / 1e6:,.0f} MB ({percent:.0f} %)"
    if percent >= settings.memory_limit_percent:
        yield fail("memory", text, "raise maxmemory: edges have stopped accepting reports")
    elif percent >= settings.memory_limit_percent - 15:
        yield warn(
            "memory", text, f"raise maxmemory: at {settings.memory_limit_percent} % edges stop accepting reports"
        )
    else:
        yield ok("memory", text)


def _replicas(info: Mapping[str, Any], settings: Settings) -> Iterable[Finding]:
    if info.get("role") != "master":
        yield fail("role", "this server is a replica", "let AMPSTREAM_REDIS_URL name the primary")
        return
    connected = int(info.get("connected_slaves", 0))
    if connected < settings.replica_barrier:
        found = f"{connected} connected, AMPSTREAM_REPLICA_BARRIER wants {settings.replica_barrier}"
        yield fail("replicas", found, "connect replicas, or lower the barrier: commits would wait in vain")
    else:
        yield ok("replicas", f"{connected} connected, {settings.replica_barrier} waited for")


def _clock(client: redis.Redis) -> Iterable[Finding]:
    begun = time.time()
    seconds, microseconds = cast("tuple[int, int]", client.time())
    middle = (begun + time.time()) / 2
    apart = middle - (seconds + microseconds / 1e6)
    text = f"this machine is {abs(apart):.3f} s {'ahead of' if apart >= 0 else 'behind'} Redis"
    if abs(apart) > CLOCK_WARN_S:
        yield warn("clock", text, "synchronise both (chrony, systemd-timesyncd); what is stored carries Redis's time")
    else:
        yield ok("clock", text)
