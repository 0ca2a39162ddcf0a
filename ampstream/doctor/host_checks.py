"""Checks of the machine that Ampstream runs on."""

import importlib.util
import os
import resource
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from ampstream import loop
from ampstream.doctor import file_checks
from ampstream.doctor.finding import Finding, fail, ok, warn
from ampstream.up.lock import in_use
from ampstream.up.plan import operator_url, worker_url
from edge.main import SPARE_DESCRIPTORS
from shared.settings import Settings

SLOW_SYNC_S: Final = 0.02
_MEMORY_FILE_SYSTEMS: Final = ("tmpfs", "ramfs")


def check(settings: Settings, data: Path) -> Iterator[Finding]:
    """Yield the findings; `data` is where an embedded Valkey would write."""
    yield _descriptors(settings)
    yield from _ports(settings)
    yield _disk(data)
    yield from file_checks.check(settings)
    yield from _libraries()


def _descriptors(settings: Settings) -> Finding:
    # An edge raises its soft limit to the hard one by itself.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.max_connections + SPARE_DESCRIPTORS
    if hard >= needed or hard == resource.RLIM_INFINITY:
        return ok("descriptors", f"enough for AMPSTREAM_MAX_CONNECTIONS={settings.max_connections}")
    text = f"the hard limit is {hard:,}; AMPSTREAM_MAX_CONNECTIONS={settings.max_connections} needs {needed:,}"
    mend = f"ulimit -Hn {needed}, or LimitNOFILE={needed} in the service's unit; or lower AMPSTREAM_MAX_CONNECTIONS"
    return warn("descriptors", text, mend)


def _ports(settings: Settings) -> Iterator[Finding]:
    ours = _serves(operator_url(settings))
    listeners = (
        ("station port", settings.station_host, settings.station_port, "AMPSTREAM_STATION_PORT", ours),
        ("operator port", settings.operator_host, settings.http_port, "AMPSTREAM_HTTP_PORT", ours),
        (
            "worker port",
            settings.worker_host,
            settings.worker_port,
            "AMPSTREAM_WORKER_PORT",
            _serves(worker_url(settings)),
        ),
    )
    for subject, host, port, variable, running in listeners:
        if not in_use(host, port):
            yield ok(subject, f"{host}:{port} is free")
        elif running:
            yield ok(subject, f"{host}:{port} is served by a running Ampstream")
        else:
            yield fail(subject, f"{host}:{port} is in use by something else", f"end it, or set {variable}")


class _Health(msgspec.Struct):
    status: str


def _serves(url: str) -> bool:
    """Tell whether an Ampstream answers there."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=1) as answer:  # noqa: S310  # our own http URL
            return msgspec.json.decode(answer.read(4096), type=_Health).status == "ok"
    except (OSError, urllib.error.URLError, msgspec.MsgspecError, ValueError):
        return False


def _disk(data: Path) -> Finding:
    where = data if data.is_dir() else data.resolve().parent
    kind = file_system(where)
    if kind in _MEMORY_FILE_SYSTEMS:
        return fail("disk", f"{where} is on {kind}: memory, not a disk", "choose a --data directory on a disk")
    try:
        middle = sync_time_s(where)
    except OSError as error:
        return warn("disk", f"cannot write to {where}: {error.strerror}", "choose another --data directory")
    text = f"{where}{f' ({kind})' if kind else ''} syncs in {middle * 1000:.2f} ms"
    if middle > SLOW_SYNC_S:
        return warn("disk", text, "answers wait for the disk: put Redis's directory on a faster one (SSD, NVMe)")
    return ok("disk", text)


def sync_time_s(directory: Path, rounds: int = 21) -> float:
    """Return the median time of a small append and its fdatasync in `directory`; raises `OSError`."""
    # macOS has no fdatasync; its fsync is the nearest.
    sync = getattr(os, "fdatasync", os.fsync)
    times = []
    with tempfile.TemporaryFile(dir=directory) as scratch:
        for _ in range(rounds):
            begun = time.perf_counter()
            os.write(scratch.fileno(), b"x" * 256)
            sync(scratch.fileno())
            times.append(time.perf_counter() - begun)
    return sorted(times)[rounds // 2]


def file_system(directory: Path) -> str:
    """Return the type of the file system that holds `directory`, empty where the machine does not tell (no /proc)."""
    path = str(directory.resolve())
    best, kind = "", ""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in mounts:
        _, point, this_kind, *_ = line.split(" ")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, this_kind
    return kind


def _libraries() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if loop.factory() is not None:
        yield ok("event loop", f"uvloop, Python {version}")
    else:
        least = ".".join(map(str, loop.LEAST_UVLOOP))
        yield warn("event loop", f"asyncio's own, Python {version}", f"pip install 'uvloop>={least}': a third less CPU")
    if importlib.util.find_spec("aiohttp._http_parser") and importlib.util.find_spec("hiredis.hiredis"):
        yield ok("extensions", "aiohttp and hiredis have their C parts")
    else:
        yield warn("extensions", "aiohttp or hiredis runs without its C part", "reinstall them from wheels")
