"""Ports for processes that die and come back: each belongs to one test process until that ends.

They lie below those of outgoing connections, so that nobody takes one while its owner is dead. Whose a port is tells a
lock on one byte of a file that all test processes of this user share; the kernel lets go of it with its process.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FIRST: Final = 15_000
LAST: Final = 31_999
HOST: Final = "127.0.0.1"


def _locks() -> int:
    path = Path(tempfile.gettempdir()) / f"ampstream-test-ports-{os.getuid()}"
    # Never closed: a process's locks on a file go with the first of its descriptors that it closes.
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _candidates() -> Iterator[int]:
    """Yield every port once, beginning anywhere, then those again."""
    count = LAST - FIRST + 1
    begin = random.SystemRandom().randrange(count)
    for n in itertools.cycle(range(count)):
        yield FIRST + (begin + n) % count


_file: Final = _locks()
_ports: Final = _candidates()
_mine: Final[set[int]] = set()


def _take(port: int) -> bool:
    """Make the port this process's, if it is nobody's; tells whether it may be used: nobody listens on it."""
    if port in _mine:
        return False
    try:
        fcntl.lockf(_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _mine.add(port)
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def take() -> int:
    """Return a port that is this test process's own and that nobody listens on."""
    for port in itertools.islice(_ports, LAST - FIRST + 1):
        if _take(port):
            return port
    raise AssertionError(f"every port from {FIRST} to {LAST} is taken")
