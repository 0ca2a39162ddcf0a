"""One `ampstream up` per data directory, and a clear word about ports that are taken."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click

WAIT_S: Final = 30.0
"""How long to wait for the processes of an `up` that was killed: they end by themselves."""


@contextlib.contextmanager
def data_directory(path: Path, wait_s: float = WAIT_S) -> Iterator[int]:
    """Make the directory, hold it for the length of the block, and yield the lock's descriptor for the children.

    Raises `click.ClickException` where another `up` runs on it or it cannot be written.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise click.ClickException(f"cannot use the data directory {path}: {error.strerror}") from None
    try:
        _acquire(descriptor, path, wait_s)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = _owner(descriptor)
            if owner and _is_alive(owner):
                raise click.ClickException(
                    f"another `ampstream up` (process {owner}) uses {path}; end it, or choose another --data"
                ) from None
            if time.monotonic() > deadline:
                raise click.ClickException(f"processes of an earlier `ampstream up` still use {path}") from None
            if not told:
                told = True
                click.echo(f"waiting for the processes of an earlier `ampstream up` on {path} to end ...", err=True)
            time.sleep(0.1)
        else:
            return


def _owner(descriptor: int) -> int:
    text = os.pread(descriptor, 20, 0)
    return int(text) if text.isdigit() else 0


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def check_ports(ports: Iterable[tuple[str, int, str]]) -> None:
    """Raise `click.ClickException` naming each `(host, port, option)` that is taken, by others or by one before it."""
    taken: list[str] = []
    ours: dict[tuple[str, int], str] = {}
    for host, port, option in ports:
        if in_use(host, port):
            taken.append(f"port {port} of {host} is in use; choose another {option}")
        elif port and (host, port) in ours:
            taken.append(f"port {port} of {host} is wanted by {ours[host, port]} and {option}; move one of them")
        ours[host, port] = option
    if taken:
        raise click.ClickException("\n       ".join(taken))


def in_use(host: str, port: int) -> bool:
    """Tell whether nobody else could listen there now; port 0 is always free."""
    if port == 0:
        return False
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do it: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
