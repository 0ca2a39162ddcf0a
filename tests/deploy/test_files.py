"""Files through the HAProxy that is shipped: left and fetched by signed links, resumed, and never told of in a log."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import pytest

from shared.bus.lane import Lane
from shared.records import files_links
from tests.chaos.harness.system import System
from tests.deploy.balancer import Balancer
from tests.edge.transfers.site import Site
from tests.support import wait_until

pytestmark = [pytest.mark.xdist_group("deploy"), pytest.mark.slow]

CONTENT: Final = os.urandom(3_000_000)
"""More than what the balancer may hold back between an edge and a station, less than what the kernel would."""


@pytest.fixture
async def site(system: System, balancer: Balancer) -> AsyncIterator[Site]:
    """The port for files, as stations reach it."""
    lane = await Lane.open(system.valkey.url, name="test")
    key = await files_links.load_key(lane)
    root = Path(system.environ["AMPSTREAM_TRANSFER_DIR"])
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
        yield Site(lane, root, f"http://{balancer.files}", key, http)
    await lane.close()


@contextlib.contextmanager
def begun(url: str) -> Iterator[None]:
    """Begin to fetch a file with little room for it; the connection breaks off at the end."""
    parts = urlsplit(url)
    with socket.socket() as station:
        station.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        station.settimeout(5)
        station.connect((parts.hostname, parts.port))
        station.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: files\r\n\r\n".encode())
        yield


def standing(ports: set[int]) -> Callable[[], bool]:
    """Return a condition: at one of these ports something was sent that the other side leaves waiting."""
    seen: list[set[str]] = [set()]

    def stands() -> bool:
        lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        # Its own address, the peer's, state (01: established), what waits to be sent.
        now = {
            f"{own} {peer} {queues}"
            for _, own, peer, state, queues, *_ in lines
            if state == "01" and int(own.partition(":")[2], 16) in ports and not queues.startswith("00000000:")
        }
        before, seen[0] = seen[0], now
        return bool(before & now)

    return stands


async def test_files_are_left_and_fetched_through_the_balancer(system: System, site: Site, balancer: Balancer) -> None:
    """An upload that is larger than any buffer arrives; what broke off is resumed, at any edge; a link is used once."""
    record = await site.file(CONTENT, limit=10_000_000)
    assert (await site.shown(record)).size == len(CONTENT)
    url = await site.link("get", record)
    with begun(url):
        # An edge must see what a station does not take: the balancer holds little of it.
        await wait_until(
            standing({int(each.environ["AMPSTREAM_TRANSFER_PORT"]) for each in system.edges}), interval_s=0.1
        )
    status, rest, _ = await site.get(url, Range="bytes=1000-")
    assert (status, rest == CONTENT[1000:]) == (206, True)
    status, start, _ = await site.get(url, Range="bytes=0-999")
    assert (status, start == CONTENT[:1000]) == (206, True)

    async def used() -> bool:
        return (await site.get(url, Range="bytes=0-0"))[0] == 410

    # The edge hears of the end after the station.
    await wait_until(used)
    assert (await site.get(site.url + "/transfer/made.up/file"))[0] == 403
    # A line for each, and none says by which link.
    await wait_until(lambda: balancer.log.read_text().count(" files ") >= 5)
    tokens = [urlsplit(each).path.split("/")[2] for each in (url, await site.link("put", record))]
    assert not [each for each in ("/transfer/", *tokens) if each in balancer.log.read_text()]
