"""Where the system's files are, and what a process uses."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ampstream.bench.disk import NotADisk, filesystem_of, measure
from ampstream.bench.usage import clock_seconds, usage_of
from tests.support import wait_until_sync


def test_a_sync_takes_time(tmp_path: Path) -> None:
    """A disk's sync is measured, in milliseconds, and the file system named."""
    if filesystem_of(tmp_path) == "tmpfs":
        pytest.skip("temporary files are in memory here")
    disk = measure(tmp_path)
    assert 0 < disk.sync_p50_ms <= disk.sync_p99_ms
    assert disk.filesystem
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no tmpfs at hand")
def test_memory_is_refused() -> None:
    """A directory in memory is refused: its syncs cost nothing and mean nothing."""
    assert filesystem_of(Path("/dev/shm")) == "tmpfs"
    with pytest.raises(NotADisk, match="--data"):
        measure(Path("/dev/shm"))


def test_usage_of_a_process() -> None:
    """A process that computes is seen computing; one that is gone is an error."""
    code = "import sys\nwhile True:\n    sum(range(10000))"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        wait_until_sync(lambda: usage_of(process.pid).cpu_s > 0.2, 20)
        assert usage_of(process.pid).rss_bytes > 1_000_000
    finally:
        process.kill()
        process.wait()
    with pytest.raises(ProcessLookupError):
        usage_of(process.pid)


def test_own_usage_grows() -> None:
    """The CPU time is user and system time of all threads."""
    before, begun = usage_of(os.getpid()).cpu_s, time.process_time()
    while time.process_time() - begun < 0.3:
        sum(range(1000))
    assert usage_of(os.getpid()).cpu_s - before >= 0.25


@pytest.mark.parametrize(
    ("text", "seconds"), [("0:01.50", 1.5), ("02:03", 123), ("1:02:03", 3723), ("2-01:00:00", 176400)]
)
def test_times_of_ps(text: str, seconds: float) -> None:
    """Every form of `ps`'s time is read."""
    assert clock_seconds(text) == seconds
