"""At the door: who is let in, who is not, and what the others are told."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import msgspec
import pytest

from shared import credentials, metrics
from shared.bus import keys
from shared.envelopes import Kind, SessionOpened
from tests.edge.stations.rig import HEARTBEAT, Rig, ask, basic, closed, running_edge
from tests.support import PATIENCE_S, lasting, wait_until

WRONG = [
    pytest.param({}, id="no header"),
    pytest.param(basic("CP1", "wrong"), id="wrong password"),
    pytest.param(basic("CP1", ""), id="empty password"),
    pytest.param({"Authorization": "Basic ###"}, id="no base64"),
    pytest.param({"Authorization": "Bearer abc"}, id="another scheme"),
]


@pytest.mark.parametrize("headers", WRONG)
async def test_a_station_with_a_key_must_show_it(rig: Rig, headers: dict[str, str]) -> None:
    """Nothing but the right key of that station is let in."""
    await rig.key_for("CP1")
    error = await rig.refused("CP1", headers=headers)
    assert error.status == 401
    assert error.headers is not None
    assert error.headers["WWW-Authenticate"].startswith("Basic")
    assert not rig.worker.of(Kind.OPENED)


async def test_the_right_key_opens_in_every_spelling(rig: Rig) -> None:
    """Hex in any case and the 20 raw bytes are the same key; the session's security profile is 1."""
    key = await rig.key_for("CP1")
    for password in (key, key.upper(), bytes.fromhex(key)):
        socket = await rig.dial("CP1", headers=basic("CP1", password))
        assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]
        await socket.close()
    (opened, *_) = rig.worker.of(Kind.OPENED)
    assert msgspec.msgpack.decode(opened.frame, type=SessionOpened).security_profile == 1


async def test_the_user_name_is_the_identity(rig: Rig) -> None:
    """The right key under another name, or another station's key, is wrong."""
    key = await rig.key_for("CP1")
    other = await rig.key_for("CP2")
    assert (await rig.refused("CP1", headers=basic("CP2", key))).status == 401
    assert (await rig.refused("CP1", headers=basic("CP1", other))).status == 401


async def test_a_chosen_password_and_a_pending_key_are_accepted(rig: Rig) -> None:
    """A slow hash is checked as well, and during a rotation either key opens."""
    await rig.provision("CP1", key=credentials.hash_password("correct horse"))
    await rig.dial("CP1", headers=basic("CP1", "correct horse"))
    assert (await rig.refused("CP1", headers=basic("CP1", "correct hors"))).status == 401
    old = await rig.key_for("CP2")
    new = credentials.make_key()
    pepper = await credentials.load_pepper(rig.worker.lane)
    await rig.provision("CP2", pending_key=credentials.hash_key(new, pepper))
    await rig.dial("CP2", headers=basic("CP2", old))
    await rig.dial("CP2", headers=basic("CP2", new))
    # A station's first key: it may come without, and is known by it once it comes with it.
    pending = credentials.hash_key(new, pepper)
    await rig.provision("CP3", pending_key=pending)
    await rig.dial("CP3")
    await rig.dial("CP3", headers=basic("CP3", "whatever"))
    await rig.dial("CP3", headers=basic("CP3", new))
    entries = await rig.worker.wait_for(Kind.OPENED, "CP3", 3)
    opened = [msgspec.msgpack.decode(each.frame, type=SessionOpened) for each in entries]
    assert [one.proof for one in opened] == ["", "", credentials.mark(pending)]
    assert [one.security_profile for one in opened] == [0, 0, 1]


async def test_without_a_key_anybody_is_that_station(rig: Rig) -> None:
    """Security profile 0: no key is set, so none is asked for, and a header is not looked at."""
    await rig.provision("CP1")
    await rig.dial("CP1")
    await rig.dial("CP1", headers=basic("CP1", "whatever"))


async def test_unknown_stations_are_refused_as_wrong_keys_are(redis_url: str) -> None:
    """Unknown, and known with a wrong key: same status, same body, same time."""
    async with running_edge(redis_url, unknown_stations="reject") as rig:
        await rig.key_for("CP1")
        await rig.provision("CP3", key=credentials.hash_password("slow to check"))
        outcomes = set()
        for station in ("CP1", "CP2", "CP3"):
            begun = time.monotonic()
            async with rig.http.get(
                f"http://127.0.0.1:{rig.port}/ocpp/{station}", headers=UPGRADE | basic(station, "wrong")
            ) as response:
                outcomes.add((response.status, await response.text()))
            assert time.monotonic() - begun >= 0.24
        assert len(outcomes) == 1
        assert metrics.EDGE_CONNECTS.labels("none", "auth_failed").value == 3
        # Known is what an operator created, or what was taken in earlier.
        await rig.worker.lane.one("ZADD", keys.STATIONS, 0, "CP2")
        await rig.dial("CP2")


async def test_blocked_and_downgraded_stations_are_refused(rig: Rig) -> None:
    """A blocked station is not let in whatever it shows, nor one below its security profile."""
    key = await rig.key_for("CP1", blocked="1")
    assert (await rig.refused("CP1", headers=basic("CP1", key))).status == 403
    key = await rig.key_for("CP2", minimum_profile="2")
    assert (await rig.refused("CP2", headers=basic("CP2", key))).status == 403
    assert metrics.EDGE_CONNECTS.labels("none", "profile_downgrade").value == 1


async def test_tls_at_a_trusted_proxy_raises_the_profile(redis_url: str) -> None:
    """Behind a trusted proxy the forwarded address and scheme count; from anybody else they do not."""
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    async with running_edge(redis_url, trusted_proxies="127.0.0.0/8") as rig:
        key = await rig.key_for("CP1", minimum_profile="2")
        await rig.dial("CP1", headers=basic("CP1", key) | forwarded)
        (opened,) = await rig.worker.wait_for(Kind.OPENED)
        body = msgspec.msgpack.decode(opened.frame, type=SessionOpened)
        assert (body.security_profile, body.address) == (2, "203.0.113.9")
    async with running_edge(redis_url) as rig:
        assert (await rig.refused("CP1", headers=basic("CP1", key) | forwarded)).status == 403


async def test_failed_logins_are_limited_and_the_station_itself_is_not_locked_out(redis_url: str) -> None:
    """After so many failures from one address in one name: 429 with Retry-After; other names are heard."""
    async with running_edge(redis_url, auth_failures=3) as rig:
        await rig.key_for("CP1")
        key = await rig.key_for("CP2")
        wrong = basic("CP1", "wrong")
        await asyncio.gather(*(rig.refused("CP1", headers=wrong) for _ in range(3)))
        error = await rig.refused("CP1", headers=wrong)
        assert error.status == 429
        assert error.headers is not None
        assert 1 <= int(error.headers["Retry-After"]) <= 61
        await rig.dial("CP2", headers=basic("CP2", key))


async def test_wrong_connections_leave_the_real_socket_alone(redis_url: str) -> None:
    """Second connections without the right key supersede nobody (F19)."""
    async with running_edge(redis_url, auth_failures=1000) as rig:
        key = await rig.key_for("CP1")
        socket = await rig.dial("CP1", headers=basic("CP1", key))
        refused = await asyncio.gather(*(rig.refused("CP1", headers=basic("CP1", f"{n}")) for n in range(100)))
        assert {error.status for error in refused} == {401}
        assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]
        assert len(rig.worker.of(Kind.OPENED)) == 1


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
BAD_REQUESTS = [
    pytest.param("/ocpp/CP1", UPGRADE | {"Origin": "https://evil.example"}, 403, id="a browser"),
    pytest.param("/ocpp/CP1", UPGRADE | {"Upgrade": "h2c"}, 400, id="another upgrade"),
    pytest.param("/ocpp/CP1", UPGRADE | {"Sec-WebSocket-Version": "12"}, 400, id="another version"),
    pytest.param("/ocpp/CP1", UPGRADE | {"Sec-WebSocket-Key": "short"}, 400, id="a bad key"),
    pytest.param("/ocpp/CP1", {}, 400, id="plain HTTP"),
    pytest.param("/other/CP1", UPGRADE, 404, id="another path"),
    pytest.param("/ocpp/", UPGRADE, 400, id="no identity"),
    pytest.param("/ocpp/a%2Fb", UPGRADE, 400, id="an encoded slash"),
    pytest.param("/ocpp/a/b", UPGRADE, 400, id="two segments"),
    pytest.param("/ocpp/a%3Ab", UPGRADE, 400, id="a colon"),
    pytest.param("/ocpp/a%7Bb", UPGRADE, 400, id="a brace"),
    pytest.param("/ocpp/a%0Ab", UPGRADE, 400, id="a control character"),
    pytest.param("/ocpp/%FF", UPGRADE, 400, id="no UTF-8"),
    pytest.param(f"/ocpp/{'x' * 49}", UPGRADE, 400, id="too long"),
]


@pytest.mark.parametrize(("path", "headers", "status"), BAD_REQUESTS)
async def test_what_is_no_station_is_told_so(rig: Rig, path: str, headers: dict[str, str], status: int) -> None:
    """Requests that can't be a station's handshake are refused with a status and a text that says why."""
    url = aiohttp.client.URL(f"http://127.0.0.1:{rig.port}{path}", encoded=True)  # type: ignore[attr-defined]
    async with rig.http.get(url, headers=headers) as response:
        assert response.status == status
        assert await response.text()


PATHS = [
    ("/ocpp/CP1", "CP1"),
    ("/ocpp/CP1/", "CP1"),
    ("/ocpp///CP1", "CP1"),
    ("//ocpp//CP1//", "CP1"),
    ("/ocpp/CP%201", "CP 1"),
    ("/ocpp/%D0%A1%D1%82", "Ст"),
    ("/ocpp/CP%2525", "CP%25"),
    ("/ocpp/CP1?token=x", "CP1"),
    ("http://example.org/ocpp/CP1", "CP1"),
]


@pytest.mark.parametrize(("target", "station"), PATHS)
@pytest.mark.parametrize("connection", ["Connection: Upgrade\r\n", "Connection: keep-alive, Upgrade\r\n", ""])
async def test_stray_paths_and_a_missing_connection_header_are_understood(
    rig: Rig, target: str, station: str, connection: str
) -> None:
    """Extra slashes, an absolute URI and a missing Connection: Upgrade still reach the station (quirk 13)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(
        f"GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n{connection}Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert head.startswith("HTTP/1.1 101 ")
    assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    await wait_until(lambda: station in rig.hub.sessions)
    text = (HEARTBEAT % "1234").encode()
    writer.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.readexactly(2 + len('[3,"1234",{}]')) == b'\x81\r[3,"1234",{}]'
    writer.close()
    await writer.wait_closed()


PROTOCOLS = [
    pytest.param(("ocpp1.6",), "ocpp1.6", id="1.6"),
    pytest.param(("ocpp2.0.1", "ocpp1.6"), "ocpp1.6", id="2.0.1 before 1.6"),
    pytest.param(("ocpp2.1", "ocpp2.0.1", "ocpp1.6", "x"), "ocpp1.6", id="all"),
    pytest.param(("OCPP1.6",), "OCPP1.6", id="another case"),
]


@pytest.mark.parametrize(("offered", "chosen"), PROTOCOLS)
async def test_the_first_served_subprotocol_is_chosen(rig: Rig, offered: tuple[str, ...], chosen: str) -> None:
    """The answer echoes what was offered and can be served."""
    socket = await rig.dial(protocols=offered)
    assert socket.protocol == chosen
    (opened,) = await rig.worker.wait_for(Kind.OPENED)
    body = msgspec.msgpack.decode(opened.frame, type=SessionOpened)
    assert body.subprotocol == "ocpp1.6"
    assert bool(body.notes) == (chosen != "ocpp1.6")


@pytest.mark.parametrize("offered", [(), ("ocpp2.0.1",), ("ocpp2.1", "ocpp2.0.1"), ("ocpp1.5",), ("soap",)])
async def test_without_a_common_subprotocol_the_handshake_ends_in_a_close(rig: Rig, offered: tuple[str, ...]) -> None:
    """No header in the answer, then a close (OCPP-J 1.6 §3.2); no session, and nobody is superseded."""
    first = await rig.dial("CP1")
    socket = await rig.dial("CP1", protocols=offered)
    assert socket.protocol is None
    assert await closed(socket) == 1002
    assert await ask(first, HEARTBEAT % "a") == [3, "a", {}]
    assert len(rig.worker.of(Kind.OPENED)) == 1
    assert metrics.EDGE_CONNECTS.labels("none", "no_subprotocol").value == 1


async def test_a_default_subprotocol_serves_old_stations_flagged(redis_url: str) -> None:
    """Where a default is set, for all or for one station, a station that offers none is served and noted (quirk 12)."""
    async with running_edge(redis_url, default_subprotocol="ocpp1.6") as rig:
        socket = await rig.dial("CP1", protocols=())
        assert socket.protocol is None
        assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]
    async with running_edge(redis_url) as rig:
        await rig.provision("CP2", subprotocol="ocpp1.6")
        socket = await rig.dial("CP2", protocols=("ocpp1.5",))
        (opened,) = await rig.worker.wait_for(Kind.OPENED, "CP2")
        assert msgspec.msgpack.decode(opened.frame, type=SessionOpened).notes == ("subprotocol",)


async def test_no_compression_for_16(rig: Rig) -> None:
    """permessage-deflate is not agreed to (OCPP-J 1.6 §5.1)."""
    socket = await rig.dial(compress=15)
    assert not socket.compress


async def test_headers_must_come_in_time(redis_url: str) -> None:
    """A connection that sends nothing, or headers drop by drop, is closed (slowloris)."""
    async with running_edge(redis_url, handshake_timeout_s=0.4) as rig:
        silent, other = await asyncio.open_connection("127.0.0.1", rig.port)
        slow, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(b"GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nX-A: ")
        async with asyncio.timeout(PATIENCE_S):
            assert await silent.read() == b""
            assert await slow.read() == b""
        for each in (other, writer):
            each.close()
            await each.wait_closed()
        socket = await rig.dial_again()
        await lasting(0.6, "a session that was opened in time lives on")
        assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]


async def test_huge_headers_are_refused(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Header lines and their number are bounded, and nothing of them is logged (they may hold a password)."""
    for text in (b"X-A: " + b"x" * 100_000, b"\r\n".join(b"X-%d: y" % n for n in range(1000))):
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(b"GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\n" + text + b"\r\n\r\n")
        assert b" 400 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert not caplog.records


async def test_a_full_node_and_a_storm_are_told_to_come_back(redis_url: str) -> None:
    """Beyond max_connections and the admission rate: 503 with Retry-After; a station may still replace itself."""
    async with running_edge(redis_url, max_connections=2) as rig:
        await rig.dial("CP1")
        await rig.dial("CP2")
        error = await rig.refused("CP3")
        assert error.status == 503
        assert error.headers is not None
        assert int(error.headers["Retry-After"]) >= 1
        assert rig.node.not_ready() == ["at the connection limit"]
        await rig.dial("CP2")
        await rig.sockets[0].close()
        await wait_until(lambda: not rig.node.not_ready())
    async with running_edge(redis_url, connect_rate=0.1, connect_burst=2) as rig:
        await rig.dial("CP1")
        await rig.dial("CP2")
        error = await rig.refused("CP3")
        assert error.status == 503
        assert metrics.EDGE_CONNECTS.labels("none", "limit").value == 2
