"""A process that has imported what an edge, a worker or the terminal is made of, and becomes one for each order.

    python -m tests.forking worker 7

What a test hurts is a real process all the same, with its own id, session, environment, log and guard; only the second
that Python takes to import is paid once for all. An order comes over the socket, here 7, with descriptors: its standard
output and errors, and, where it is guarded, the pipe and the lock of the guard. The child goes on exactly as `python -m
MODULE ARGUMENTS...` would.

This process has no thread and no loop, imports one role alone (what a role forgot to import stays missing), and ends
with its line. Nobody else may wait for its children, so it tells their status too.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import socket
import sys
from typing import Final

import msgspec

from ampstream.up import guard

GRACE_S: Final = 2.0
LIMIT: Final = 200_000
ROLES: Final[dict[str, tuple[str, ...]]] = {
    "edge": ("ampstream.serve", "ampstream.loop", "uvloop", "edge.main", "edge.operators.app"),
    "worker": ("ampstream.serve", "ampstream.loop", "uvloop", "workers.main"),
    "terminal": ("ampstream.cli", "ampstream.operator.session"),
}
"""What each imports before it serves."""


class Start(msgspec.Struct, tag=True):
    """Become `python -m module arguments...` there and in this environment; answered with the process id."""

    module: str
    arguments: list[str]
    environ: dict[str, str]
    cwd: str


class Look(msgspec.Struct, tag=True):
    """Say how a child ended: its exit status, negative for a signal, or None while it runs."""

    pid: int


DECODER: Final = msgspec.msgpack.Decoder(Start | Look)


def main() -> None:
    """Import, then fork until the line ends; in a child, be what was ordered."""
    role, descriptor = sys.argv[1:]
    for name in ROLES[role]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # Children share these pages as long as nobody writes into them.
    with socket.socket(fileno=int(descriptor)) as line:
        order = _serve(line)
    if order is not None:
        sys.argv = [order.module, *order.arguments]
        runpy.run_module(order.module, run_name="__main__", alter_sys=True)


def _serve(line: socket.socket) -> Start | None:
    """Obey until the line ends; returns None then, and in each child its order."""
    while True:
        data, descriptors, _, _ = socket.recv_fds(line, LIMIT, 4)
        if not data:
            return None
        order: Start | Look = DECODER.decode(data)
        if isinstance(order, Look):
            line.send(msgspec.msgpack.encode(_status(order.pid)))
            continue
        pid = os.fork()
        if pid == 0:
            line.close()
            _settle(order, *descriptors)
            return order
        for each in descriptors:
            os.close(each)
        line.send(msgspec.msgpack.encode(pid))


def _status(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _settle(order: Start, out: int, err: int, *guarding: int) -> None:
    """Make a fork what a started process is: its own session, streams, environment and guard."""
    os.setsid()
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    os.chdir(order.cwd)
    os.environ.clear()
    os.environ.update(order.environ)
    if guarding:
        _guard(*guarding)


def _guard(life: int, lock: int) -> None:
    """Fork the watcher as `ampstream.up.guard` does; the pipe `alive` ends with this process."""
    target = os.getpid()
    alive, held_by_target = os.pipe()
    if os.fork() == 0:
        os.close(held_by_target)
        guard._watch(target, life, alive, GRACE_S)
        os._exit(0)
    for each in (life, lock, alive):
        os.close(each)


if __name__ == "__main__":
    main()
