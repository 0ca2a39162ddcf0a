"""Where the contents of files lie: a directory that all edges share, behind an interface that any store could have.

A content is written beside its place, synced, and renamed into it: what is there is whole. Names are ids of ours, so no
path ever comes from outside: a file's UUID, and behind a dot the claim of the upload that left it, where several may
have tried (`records.files.content_id`). Every call of the system that may wait for the disk runs on a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

PART: Final = ".part"
PART_KEPT_S: Final = 24 * 3600
"""What was begun and not finished is deleted after so long: the edge that wrote it is gone."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class StorageError(Exception):
    """A content could not be read or written.

    NoSpace   the disk is full, or nearly
    NotThere  there is no such content
    """


class NoSpace(StorageError):
    """The disk is full, or what is left is kept free."""


class NotThere(StorageError):
    """There is no content of this id."""


class Reader(Protocol):
    """A content being read."""

    size: int

    async def read(self, at: int, count: int) -> bytes:
        """Return up to `count` bytes from `at` on."""
        ...

    async def close(self) -> None:
        """Let it go."""
        ...


class Writer(Protocol):
    """A content being written; nobody sees it before `finish`."""

    async def write(self, data: bytes) -> None:
        """Append; raises `NoSpace`."""
        ...

    async def finish(self) -> None:
        """Put it in its place, durably; replaces what was there. Raises `NoSpace`."""
        ...

    async def drop(self) -> None:
        """Forget it; harmless after `finish`."""
        ...


class Storage(Protocol):
    """Where contents lie, by id (see above)."""

    async def open(self, content_id: str) -> Reader:
        """Begin to read; raises `NotThere`."""
        ...

    async def create(self, content_id: str, size: int = 0) -> Writer:
        """Begin to write about `size` bytes; raises `NoSpace`."""
        ...

    async def delete(self, content_id: str) -> None:
        """Delete one upload's content, or by a file's id all of them; harmless where there is nothing."""
        ...

    async def tidy(self) -> int:
        """Delete what was begun and given up long ago; returns how much."""
        ...


class Directory:
    """A directory; `reserve` bytes of its disk stay free."""

    def __init__(self, root: Path, reserve: int) -> None:
        self._root = root
        self._reserve = reserve

    async def prepare(self) -> None:
        """Make the directory; raises OSError where it can't be written."""
        await asyncio.to_thread(self._prepare)

    def _prepare(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        probe = self._root / f"{secrets.token_hex(8)}{PART}"
        probe.touch(mode=0o600)
        probe.unlink()

    async def open(self, content_id: str) -> Reader:
        """See `Storage`."""
        try:
            file = await asyncio.to_thread(self._place(content_id).open, "rb")
        except FileNotFoundError:
            raise NotThere(content_id) from None
        return _FileReader(file)

    async def create(self, content_id: str, size: int = 0) -> Writer:
        """See `Storage`."""
        return await asyncio.to_thread(self._create, content_id, size)

    def _create(self, content_id: str, size: int) -> Writer:
        place = self._place(content_id)
        if shutil.disk_usage(self._root).free < self._reserve + size:
            raise NoSpace("the disk is nearly full")
        with _no_space():
            place.parent.mkdir(exist_ok=True)
            part = place.with_name(f"{place.name}.{secrets.token_hex(8)}{PART}")
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        return _FileWriter(os.fdopen(descriptor, "wb", buffering=0), part, place)

    async def delete(self, content_id: str) -> None:
        """See `Storage`."""
        await asyncio.to_thread(self._delete, self._place(content_id))

    def _delete(self, place: Path) -> None:
        place.unlink(missing_ok=True)
        for other in place.parent.glob(f"{place.name}.*"):
            if other.suffix != PART:  # That one belongs to who writes it.
                other.unlink(missing_ok=True)

    async def tidy(self) -> int:
        """See `Storage`."""
        return await asyncio.to_thread(self._tidy, time.time() - PART_KEPT_S)

    def _tidy(self, before: float) -> int:
        gone = 0
        for part in self._root.glob(f"*/*{PART}"):
            with contextlib.suppress(FileNotFoundError):
                if part.stat().st_mtime < before:
                    part.unlink()
                    gone += 1
        return gone

    def _place(self, content_id: str) -> Path:
        # Whatever comes in, what goes to the file system is a UUID, and a number.
        file_id, dot, claim = content_id.partition(".")
        name = str(uuid.UUID(file_id))
        return self._root / name[-2:] / (f"{name}.{int(claim, 16):016x}" if dot else name)


class _FileReader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size

    async def read(self, at: int, count: int) -> bytes:
        return await asyncio.to_thread(os.pread, self._file.fileno(), count, at)

    async def close(self) -> None:
        await asyncio.to_thread(self._file.close)


class _FileWriter:
    def __init__(self, file: BinaryIO, part: Path, place: Path) -> None:
        self._file = file
        self._part = part
        self._place = place

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._write, data)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        with _no_space():
            while view:  # A raw file may take a part.
                view = view[self._file.write(view) :]

    async def finish(self) -> None:
        await asyncio.to_thread(self._finish)

    def _finish(self) -> None:
        with _no_space():
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self._place)
            _sync_directory(self._place.parent)
            _sync_directory(self._place.parent.parent)

    async def drop(self) -> None:
        await asyncio.to_thread(self._drop)

    def _drop(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


@contextlib.contextmanager
def _no_space() -> Iterator[None]:
    """Turn what a full disk raises into `NoSpace`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpace("the disk is full") from None
        raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
