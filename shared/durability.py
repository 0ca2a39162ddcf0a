"""What a Redis must be before Ampstream trusts it, as a pure check shared by edge, worker and doctor.

Each of them asks for `INFO server` and `CONFIG GET` of `CONFIG_KEYS`, at start and again when the run id or the role
changed, and serves only when `blocking` finds nothing.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

CONFIG_KEYS: Final = (
    "appendonly",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory-policy",
    "notify-keyspace-events",
)
LEAST_REDIS: Final = (7, 0)
LEAST_VALKEY: Final = (7, 2)
LEAST_REDIS_WITH_WAITAOF: Final = (7, 2)

_WANTED: Final = {
    "appendonly": ("yes", "without the append-only file a restart loses everything"),
    "appendfsync": ("always", "an answer would leave before its report is on disk"),
    "no-appendfsync-on-rewrite": (
        "no",
        "while the file is rewritten, answers would leave before their reports are on disk",
    ),
    "maxmemory-policy": ("noeviction", "at the memory limit Redis would delete stations and transactions"),
}


class Problem(msgspec.Struct, frozen=True):
    """One thing that is not as it must be."""

    subject: str
    """What was looked at: `version`, `waitaof` or a configuration key."""
    level: Literal["fail", "warn"]
    kind: Literal["version", "durability", "events"]
    found: str
    wanted: str
    why: str
    mend: str

    def __str__(self) -> str:
        return f"{self.subject} is {self.found}, must be {self.wanted}: {self.why} ({self.mend})"


def check(info: Mapping[Any, Any], config: Mapping[Any, Any], *, replica_barrier: int = 0) -> list[Problem]:
    """Return what is wrong with a server, worst first.

    `info` is `INFO server` and `config` the answer to `CONFIG GET`, keys and values as `str` or `bytes`; a key that is
    missing from `config` (a managed service may hide it) counts as not set.
    """
    known = {_text(key): _text(value) for key, value in info.items()}
    found = {_text(key): _text(value) for key, value in config.items()}
    problems = [*_version(known, replica_barrier)]
    for key, (wanted, why) in _WANTED.items():
        value = found.get(key)
        if value != wanted:
            problems.append(_setting(key, "fail", "durability", value, wanted, why))
    problems += _events(found.get("notify-keyspace-events"))
    return problems


def blocking(problems: Iterable[Problem], *, require_durable: bool) -> list[Problem]:
    """Return the problems with which a process must not serve."""
    return [each for each in problems if each.level == "fail" and (require_durable or each.kind != "durability")]


def server_name(info: Mapping[Any, Any]) -> str:
    """Return what runs, e.g. `Valkey 9.1.2` or `Redis 7.2.5`."""
    known = {_text(key): _text(value) for key, value in info.items()}
    if "valkey_version" in known:
        return f"Valkey {known['valkey_version']}"
    return f"Redis {known.get('redis_version', 'of unknown version')}"


def _version(info: Mapping[str, str], replica_barrier: int) -> Iterable[Problem]:
    valkey = "valkey_version" in info
    version = _numbers(info["valkey_version"] if valkey else info.get("redis_version", ""))
    least = LEAST_VALKEY if valkey else LEAST_REDIS
    if version < least:
        yield Problem(
            subject="version",
            level="fail",
            kind="version",
            found=server_name(info),
            wanted=f"Redis {_dotted(LEAST_REDIS)} or Valkey {_dotted(LEAST_VALKEY)}, or newer",
            why="streams and scripts lack what Ampstream uses",
            mend="upgrade the server",
        )
    if replica_barrier and not valkey and version < LEAST_REDIS_WITH_WAITAOF:
        yield Problem(
            subject="waitaof",
            level="fail",
            kind="version",
            found=server_name(info),
            wanted=f"Redis {_dotted(LEAST_REDIS_WITH_WAITAOF)} or Valkey, or newer",
            why="AMPSTREAM_REPLICA_BARRIER needs WAITAOF",
            mend="upgrade the server, or set AMPSTREAM_REPLICA_BARRIER=0",
        )


def _events(value: str | None) -> Iterable[Problem]:
    flags = set((value or "").replace("A", "g$lshzxetd"))
    if not flags >= {"E", "x"}:
        why = "no event tells that a station's presence ran out; the sweep finds it up to 2 s later"
        yield _setting("notify-keyspace-events", "warn", "events", value, "Ex", why)


def _setting(
    key: str,
    level: Literal["fail", "warn"],
    kind: Literal["durability", "events"],
    value: str | None,
    wanted: str,
    why: str,
) -> Problem:
    found = "not readable" if value is None else repr(value)
    mend = f"CONFIG SET {key} {wanted}, and the same in its configuration file"
    return Problem(subject=key, level=level, kind=kind, found=found, wanted=repr(wanted), why=why, mend=mend)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
