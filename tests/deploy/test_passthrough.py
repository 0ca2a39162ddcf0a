"""TLS through the HAProxy that is shipped: passed on to an edge, which sees the certificate and who dialled."""

from __future__ import annotations

import os
from pathlib import Path

import aiohttp
from aiohttp import web

from edge.ports import bind, port_of
from tests.chaos.harness.processes import Lifeline, Process
from tests.deploy.balancer import ADDRESS, CONFIG, binary
from tests.edge.stations import certs
from tests.edge.stations.rig import HEARTBEAT, ask
from tests.edge.stations.test_tls import client, opened, running_tls
from tests.support import free_port, wait_until

FROM = "127.0.0.7"
"""Where the station is."""


class Passing(Process):
    """HAProxy before the TLS listener of one edge; `health` answers for it whether it is well."""

    def __init__(self, tls_port: int, plain_port: int, health: int, directory: Path, lifeline: Lifeline) -> None:
        self.port = free_port()
        local = {name: f"127.0.0.1:{free_port()}" for name in ("STATIONS_BIND", "OPERATORS_BIND", "HEALTH_BIND")}
        edges = {
            f"EDGE_{number}{suffix}": value
            for number in (1, 2)
            for suffix, value in (
                ("", f"127.0.0.1:{plain_port}"),
                ("_HTTP", f"127.0.0.1:{health}"),
                ("_CHECK", str(health)),
                ("_TLS", f"127.0.0.1:{tls_port}"),
            )
        }
        options = {"EDGE_OPTIONS": f"source {ADDRESS} send-proxy-v2-ssl", "TLS_BIND": f"127.0.0.1:{self.port}"}
        command = [binary(), "-W", "-f", str(CONFIG)]
        super().__init__("haproxy", command, dict(os.environ) | local | edges | options, directory / "log", lifeline)


async def well(_request: web.Request) -> web.Response:
    """Answer as an edge that is ready."""
    return web.Response(text="ok")


async def test_a_certificate_gets_through_the_balancer(redis_url: str, tmp_path: Path, lifeline: Lifeline) -> None:
    """Security profile 3 behind a balancer: TLS ends at the edge, and the address is the station's own."""
    proxied = {"proxy_protocol": "trusted", "trusted_proxies": "127.0.0.1"}
    ready = web.Application()
    ready.router.add_get("/readyz", well)
    runner = web.AppRunner(ready, access_log=None)
    await runner.setup()
    (health,) = await bind("127.0.0.1", 0)
    await web.SockSite(runner, health).start()
    async with running_tls(redis_url, tmp_path, **proxied) as (rig, port):
        await rig.provision("CP1", minimum_profile="3")
        balancer = Passing(port, rig.port, port_of([health]), tmp_path, lifeline)
        balancer.start()
        context = client(tmp_path, certs.authority().issue("CP1")[1])
        connector = aiohttp.TCPConnector(local_addr=(FROM, 0))
        async with aiohttp.ClientSession(connector=connector) as http:

            async def dialled() -> aiohttp.ClientWebSocketResponse | None:
                try:
                    url = f"wss://localhost:{balancer.port}/ocpp/CP1"
                    return await http.ws_connect(url, protocols=("ocpp1.6",), ssl=context)
                except (aiohttp.ClientError, OSError):
                    return None

            try:
                socket = await wait_until(dialled, 30)
                assert socket is not None
                assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]
                found = await opened(rig, "CP1")
                assert (found.security_profile, found.address) == (3, FROM)
                await socket.close()
            finally:
                balancer.kill()
                await runner.cleanup()
