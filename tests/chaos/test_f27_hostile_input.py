"""F27: malformed, deeply nested and oversized input, headers without end, compressed bombs, 2,000 slow sockets.

The guards: headers must come in time and are bounded, a frame's length is believed before it is read, nothing that is
compressed is unpacked, JSON's depth is looked at before it is parsed. So memory stays, and the stations do not feel it.
"""

from __future__ import annotations

import asyncio
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.beats import Beats
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.checks import Violation
from tests.chaos.harness.strangers import Stranger, crowd, frame, request
from tests.chaos.harness.system import System, running
from tests.e2e.secured import secured, tls_url
from tests.support import wait_until

pytestmark = pytest.mark.chaos
SLOW = 2000
SLOW_IN_CONTROL = 200
HEADERS_S = 2.0
SETTINGS = {
    "HANDSHAKE_TIMEOUT_S": str(HEADERS_S), "MAX_CONNECTIONS": "500", "CONNECT_RATE": "100000",
    "CONNECT_BURST": "100000",
}  # fmt: skip
GROWTH_BYTES = 200 * 1024 * 1024
SECRET = "Zm9vOmJhcjpzZWNyZXQ"
BOMB = zlib.compress(b"[" + b"0," * 5_000_000, 9)
MALFORMED = (
    b"", b"[]", b"null", b"\xff\xfe", b"[2]", b'[2,"1"]', b'[2,1,2,3,4,5,6]', b'{"a":1}', b'[9,"1",{}]', b'[2,"1","X",',
    b"[" * 100_000, b'[2,"1","Heartbeat",' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"]", b'[3,"nobody",{}]',
)  # fmt: skip


def _resident(system: System) -> int:
    status = Path(f"/proc/{system.edges[0].pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


def _descriptors(system: System) -> int:
    return len(list(Path(f"/proc/{system.edges[0].pid}/fd").iterdir()))


async def _attack(urls: list[str], slow_ones: int) -> list[Stranger]:
    """Do everything at once; return the sockets that only dawdle."""
    slow = await crowd(urls, slow_ones, b"GET /ocpp/SLOW HTTP/1.1\r\nAuthorization: Basic " + SECRET.encode())
    poured = await asyncio.gather(*(_pour(urls[0]) for _ in range(4)))
    assert max(poured) < 64 * 1024 * 1024, "a gigabyte of headers is not taken in"
    await asyncio.gather(*(_break(urls[0], n, data) for n, data in enumerate(_frames())))
    return slow


async def _pour(url: str) -> int:
    stranger = await Stranger.dial(url)
    stranger.say(b"GET /ocpp/POUR HTTP/1.1\r\nX-A: ")
    return await stranger.pour(SECRET.encode() * 1000, 1 << 30)


def _frames() -> Iterator[bytes]:
    yield b"".join(frame(text) for text in MALFORMED)
    yield frame(b"x", claimed=1 << 30)
    yield frame(BOMB, first=0xC1)
    yield b"".join(frame(b"x" * 1000, first=0x01 if n == 0 else 0x00) for n in range(600))
    yield frame(os.urandom(200), first=0x82)
    yield frame(b"x" * 200, first=0x89)


async def _break(url: str, number: int, data: bytes) -> None:
    """Be a station that breaks the rules once it is in; whoever is closed for it is closed, the others leave."""
    stranger = await Stranger.dial(url)
    stranger.say(request(f"ODD{number}"))
    assert await stranger.status() == 101
    stranger.say(data)
    try:
        async with asyncio.timeout(1.0):
            await stranger.gone()
    except TimeoutError:
        stranger.leave()


async def _round(system: System, urls: list[str], slow_ones: int) -> list[Violation]:
    """Attack once; return what it broke of I9."""
    before, open_before, begun = _resident(system), _descriptors(system), time.monotonic()
    slow = await _attack(urls, slow_ones)
    grown = _resident(system) - before
    found: list[Violation] = []
    left = max(HEADERS_S * 2 - (time.monotonic() - begun), 0.5)
    try:
        await wait_until(lambda: _descriptors(system) <= open_before + 20, left + 3)
    except AssertionError:
        found.append(Violation("I9", "edge-0", f"{_descriptors(system) - open_before} sockets are still open"))
    for stranger in slow:
        stranger.leave()
    if grown > GROWTH_BYTES:
        found.append(Violation("I9", "edge-0", f"grew by {grown // 1024 // 1024} MiB"))
    return found


async def _hostile(system: System, ledger: LedgerFile, urls: list[str], slow_ones: int = SLOW) -> list[Violation]:
    operator = system.operator()
    others = [Charger(system.station_urls, f"CP{n}", ledger) for n in range(4)]
    for other in others:
        await other.connect()
        await other.boot()
    async with Beats(others).beating() as beats:
        found = await beats.unfelt(lambda: _round(system, urls, slow_ones), 1.0)
    if any(SECRET in path.read_text(errors="replace") for path in system.directory.glob("*.log")):
        found.append(Violation("I12", "edge-0", "what strangers sent stands in a log"))
    if any(other.connects != 1 for other in others):
        found.append(Violation("I11", "the others", "lost their sockets"))
    found += await checks.everything(operator, ledger.book(), others, system.valkey.client())
    return found


@pytest.mark.timeout(300)  # It may take three tries on a machine that is slow as it is.
async def test_bounded_and_unfelt(tmp_path: Path, ledger: LedgerFile) -> None:
    """F27: memory and sockets are given back, nobody else waits, no word of it in a log; over TLS as well."""
    (tmp_path / "tls").mkdir()
    settings = SETTINGS | secured(tmp_path / "tls")
    async with running(tmp_path / "system", workers=1, settings=settings) as system:
        plain = system.station_url()
        checks.sound(await _hostile(system, ledger, [plain, plain, plain, tls_url(system)]))


async def test_control_without_the_limit_of_headers(tmp_path: Path, ledger: LedgerFile) -> None:
    """F27, control: where headers may take their time, slow sockets pile up (I9)."""
    async with running(tmp_path / "system", workers=1, settings=SETTINGS, edge_guards=["no_header_limit"]) as system:
        assert "I9" in checks.broken(await _hostile(system, ledger, [system.station_url()], SLOW_IN_CONTROL))
