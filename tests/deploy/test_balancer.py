"""Stations behind the HAProxy that is shipped: balance, drain, failover, reload, and whose word on addresses counts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ampstream.simulate.station import Refused, Station
from tests.chaos.harness import checks
from tests.chaos.harness.cars import Cars
from tests.chaos.harness.processes import Lifeline
from tests.chaos.harness.system import System, running
from tests.deploy.balancer import ADDRESS, Balancer
from tests.edge.stations.rig import basic
from tests.support import PATIENCE_S, wait_until

pytestmark = [pytest.mark.xdist_group("deploy"), pytest.mark.slow]

FROM = "127.0.0.7"
"""Where the stations of these tests are."""
LIES = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"}


@contextlib.asynccontextmanager
async def dialled(url: str, station_id: str, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Connect from `FROM` as a station that says of itself what it likes."""
    connector = aiohttp.TCPConnector(local_addr=(FROM, 0), ssl=False)
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.ws_connect(f"{url}/{station_id}", protocols=("ocpp1.6",), headers=headers) as socket,
    ):
        await socket.send_str('[2,"1","Heartbeat",{}]')
        await socket.receive_str(timeout=PATIENCE_S)
        yield socket


async def session_of(system: System, station_id: str) -> dict[str, Any]:
    """Return a station's session, as an operator sees it; another worker may still have the news of its opening."""

    async def opened() -> Any:
        session = (await system.operator().get(f"/stations/{station_id}"))["session"]
        return session["address"] and session

    found: dict[str, Any] = await wait_until(opened)
    return found


async def address_of(system: System, station_id: str) -> str:
    """Return where a station is, as an operator sees it."""
    return str((await session_of(system, station_id))["address"])


async def test_stations_are_spread_over_the_edges(system: System, balancer: Balancer) -> None:
    """Each new station goes to the edge with fewer, and an operator sees where it really is."""
    stations = [Station(balancer.url, f"SPREAD{n}") for n in range(10)]
    for station in stations:
        await station.connect(local_address=FROM)
        await station.call("Heartbeat")
    shown = [await session_of(system, each.station_id) for each in stations]
    nodes = Counter(each["node"] for each in shown)
    assert sorted(nodes.values()) == [5, 5]
    assert await address_of(system, "SPREAD0") == FROM
    for station in stations:
        await station.close()


async def test_edges_leave_and_die_and_nothing_is_lost(system: System, balancer: Balancer, tmp_path: Path) -> None:
    """One edge drains (SIGTERM), later the other dies (`kill -9`): cars go on at the other one, and all counts once."""
    first, second = system.edges
    async with Cars([balancer.url], tmp_path / "cars.jsonl", 12, "balanced") as cars:
        await cars.more(3)
        first.terminate()
        await balancer.until_up("edge-2")
        await cars.more(3)
        assert await first.ended(PATIENCE_S) == 0, first.tail()
        counters = cars.world.counters
        # No call failed in the drain, and no upgrade was refused: the balancer asked the other edge.
        assert (counters.errors, counters.dropped, counters.timeouts) == (0, 0, 0)
        assert " 503 " not in balancer.tail()
        await system.restart(first)
        await balancer.until_up("edge-1", "edge-2")
        second.kill()
        await cars.more(6)
        await balancer.until_up("edge-1")
        await system.restart(second)
        book = await cars.finish()
    assert (counters.errors, counters.dropped) == (0, 0)
    checks.sound(await checks.transactions(system.operator(), book, idle=cars.idle))


async def test_a_reload_keeps_open_sockets(system: System, balancer: Balancer) -> None:
    """A station that is connected stays on its socket through a reload, and new ones are taken at every moment."""
    async with Station(balancer.url, "RELOADED") as station:
        await station.call("Heartbeat")
        reloading = asyncio.create_task(balancer.reload())
        dialled_meanwhile = 0
        while not reloading.done():
            async with Station(balancer.url, f"NEW{dialled_meanwhile % 5}") as new:
                await new.call("Heartbeat")
            dialled_meanwhile += 1
        await reloading
        assert dialled_meanwhile
        await station.call("Heartbeat")
        assert station.close_code is None


def keepalive_s(port: int) -> list[float]:
    """Return when the kernel will next ask the peers of connections from or to a port, in s; -1 for never."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        # Number, own address, the peer's, state (01: established), queues, timer (02: keepalive) and its jiffies.
        _, own, _, state, _, timer, *_ = line.split()
        if state == "01" and int(own.partition(":")[2], 16) == port:
            kind, _, ticks = timer.partition(":")
            found.append(int(ticks, 16) / os.sysconf("SC_CLK_TCK") if kind == "02" else -1.0)
    return found


async def test_the_balancer_finds_stations_that_vanish(system: System, balancer: Balancer) -> None:
    """An edge sees the balancer's socket, so it is the balancer that asks TCP whether a silent station is there."""
    async with Station(balancer.url, "SILENT") as station:
        await station.call("Heartbeat")
        port = int(balancer.stations.rpartition(":")[2])
        # While an answer is not acknowledged yet, another timer runs.
        (due,) = await wait_until(lambda: [each for each in keepalive_s(port) if each >= 0])
        assert due <= 20


async def test_only_the_balancers_word_on_addresses_counts(system: System, balancer: Balancer) -> None:
    """What a station says of its own origin is replaced by the balancer, and not believed from anybody else."""
    async with dialled(balancer.url.replace("ws", "http", 1), "BALANCED", LIES):
        assert await address_of(system, "BALANCED") == FROM
    async with dialled(system.station_url(0).replace("ws", "http", 1), "DIRECT", LIES):
        assert await address_of(system, "DIRECT") == FROM


PATHS = {
    "/": 200, "/openapi.json": 200, "/api/v1/stations": 200, "/metrics": 404, "/healthz": 404, "/readyz": 404,
    "/%6Detrics": 404, "//metrics": 404, "/metrics/": 404, "/./metrics": 404, "/api/../metrics": 404,
    "/api/%2e%2e/metrics": 404, "/api/%2E./readyz": 404, "/api%2f..%2fmetrics": 404,
}  # fmt: skip


async def test_operators_come_through_and_machines_paths_do_not(system: System, balancer: Balancer) -> None:
    """The API answers behind the balancer; metrics and health of the edges are hidden, however they are spelt."""
    host, port = balancer.operators.split(":")
    head = "".join(f"{name}: {text}\r\n" for name, text in system.operator().headers.items())
    answers = {}
    for path in PATHS:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: csms\r\nConnection: close\r\n{head}\r\n".encode())
        answer = await reader.read()
        writer.close()
        answers[path] = int(answer.split()[1])
        assert b"# HELP" not in answer
    assert answers == PATHS


async def test_no_log_holds_an_id_tag(system: System, balancer: Balancer) -> None:
    """The API's paths hold id tags, so the balancer does not log them; a station's path is its id, and is logged."""
    url = f"http://{balancer.operators}/api/v1/tags/SECRETTAG"
    async with aiohttp.ClientSession(headers=system.operator().headers) as http, http.get(url) as answer:
        assert answer.status == 404
    async with Station(balancer.url, "LOGGED") as station:
        await station.call("Heartbeat")
    await wait_until(lambda: "/ocpp/LOGGED" in balancer.log.read_text())
    assert " operators " in balancer.log.read_text()
    assert "SECRETTAG" not in balancer.log.read_text()


async def test_without_any_edge_stations_are_told_when_to_come_back(tmp_path: Path, lifeline: Lifeline) -> None:
    """With all edges away the balancer says 503 itself, and after how long to try again: not all at once."""
    nothing = System(tmp_path / "system", edges=2, workers=0)
    balancer = Balancer(nothing, lifeline)
    balancer.start()
    try:
        # The balancer serves as soon as its metrics do; its checks find nobody.
        await balancer.until_down()
        waits = set()
        for n in range(8):
            with pytest.raises(Refused) as refused:
                await Station(balancer.url, f"LOST{n}").connect()
            assert refused.value.status == 503
            waits.add(refused.value.retry_after_s)
        assert min(waits) >= 5
        assert max(waits) < 25
        assert len(waits) > 1
    finally:
        balancer.kill()
        nothing.close()


def certificate(directory: Path) -> Path:
    """Make a key and a certificate for this machine, in one file."""
    key, made = directory / "key.pem", directory / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    made.write_bytes(made.read_bytes() + key.read_bytes())
    return made


async def test_the_proxy_protocol_and_tls_at_the_balancer(tmp_path: Path, lifeline: Lifeline) -> None:
    """With PROXY headers the edges know address and TLS by them alone; a stranger's header is refused."""
    settings = {"TRUSTED_PROXIES": ADDRESS, "PROXY_PROTOCOL": "trusted", "SILENCE_CLOSE_S": "30"}
    async with running(tmp_path / "system", edges=2, workers=1, settings=settings) as system:
        balancer = Balancer(system, lifeline, options="send-proxy-v2-ssl")
        balancer.environ["STATIONS_BIND"] += f" ssl crt {certificate(tmp_path)}"
        await balancer.serve()
        try:
            operator = system.operator()
            status, made = await operator.request("POST", "/stations", json={"station_id": "SECURE", "make_key": True})
            assert status == 201, made
            lies = LIES | {"X-Forwarded-Proto": "http"}
            shown = lies | basic("SECURE", made["key"])
            async with dialled(balancer.url.replace("ws", "https", 1), "SECURE", shown):
                session = await session_of(system, "SECURE")
                assert (session["address"], session["security_profile"]) == (FROM, 2)
            async with dialled(system.station_url(0).replace("ws", "http", 1), "DIRECT", LIES):
                assert await address_of(system, "DIRECT") == FROM
            host, port = system.station_url(0).removeprefix("ws://").removesuffix("/ocpp").split(":")
            reader, writer = await asyncio.open_connection(host, int(port), local_addr=(FROM, 0))
            writer.write(b"PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\nGET /ocpp/LIAR HTTP/1.1\r\n\r\n")
            assert b" 400 " in await reader.readline()
            writer.close()
        finally:
            balancer.kill()
