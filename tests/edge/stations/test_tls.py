"""The TLS listener: what is spoken, whose certificates count, and that files may change under open sockets."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from ampstream.simulate.identity import Identity
from edge.ports import bind, port_of
from edge.stations.hub import EXPEL_S
from edge.stations.tls import SUITES, Tls
from shared import metrics
from shared.bus import keys
from shared.certificates.authority import Authority, make
from shared.certificates.errors import BadFiles
from shared.envelopes import Kind, SessionClosed, SessionOpened
from tests.edge.stations import certs
from tests.edge.stations.rig import HEARTBEAT, Rig, Socket, ask, basic, closed, running_edge, settings_for
from tests.support import PATIENCE_S, wait_until


@contextlib.asynccontextmanager
async def running_tls(
    redis_url: str, directory: Path, *kinds: str, **changes: object
) -> AsyncIterator[tuple[Rig, int]]:
    """A node that listens with TLS as well; yields its rig and that port."""
    ca = certs.write(directory / "ca.pem", certs.authority().pem)
    changes = {
        "tls_certificates": certs.servers(directory, *(kinds or ("rsa", "ecdsa"))),
        "tls_ca_file": ca, "tls_port": 0, "tls_reload_s": 0.1, **changes,
    }  # fmt: skip
    settings = settings_for(redis_url, **changes)
    sockets = await bind("127.0.0.1", 0)
    async with running_edge(redis_url, tls=Tls(settings), tls_sockets=sockets, **changes) as rig:  # type: ignore[arg-type]
        yield rig, port_of(sockets)


def client(directory: Path | None = None, shown: str = "", **changes: Any) -> ssl.SSLContext:
    """A station's context: it trusts the test's authority, and shows a certificate where one is given."""
    context = ssl.create_default_context(cadata=certs.authority().pem)
    if shown:
        assert directory is not None
        context.load_cert_chain(certs.write(directory / "station.pem", shown))
    for name, value in changes.items():
        setattr(context, name, value)
    return context


async def dial(rig: Rig, port: int, station: str, context: ssl.SSLContext, **options: Any) -> Socket:
    socket: Socket = await rig.http.ws_connect(
        f"wss://localhost:{port}/ocpp/{station}", protocols=("ocpp1.6",), ssl=context, **options
    )
    rig.sockets.append(socket)
    return socket


async def status(rig: Rig, port: int, station: str, context: ssl.SSLContext, **options: Any) -> int:
    """The HTTP status of a login, 101 where it is let in."""
    import aiohttp

    try:
        await dial(rig, port, station, context, **options)
    except aiohttp.WSServerHandshakeError as error:
        return error.status
    return 101


async def opened(rig: Rig, station: str) -> SessionOpened:
    (*_, entry) = await rig.worker.wait_for(Kind.OPENED, station)
    return msgspec.msgpack.decode(entry.frame, type=SessionOpened)


async def shake(port: int, context: ssl.SSLContext) -> tuple[str, str] | None:
    """Version and suite that a handshake ends with; None where it fails."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    except (ssl.SSLError, ConnectionError):
        return None
    found = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    return found.version(), found.cipher()[0]


async def test_the_scan_finds_what_the_white_paper_asks_for_and_nothing_older(redis_url: str, tmp_path: Path) -> None:
    """One handshake per suite and version: the four of A00.FR.318 and 421 work; what is weaker, or older, does not."""
    older = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
    weak = (
        *("AES128-SHA", "ECDHE-RSA-AES128-SHA", "AES128-SHA256", "ECDHE-ECDSA-AES128-SHA256", "NULL-SHA256"),
        *("DHE-RSA-AES128-GCM-SHA256", "ADH-AES128-SHA", "ECDHE-RSA-CHACHA20-POLY1305"),
    )
    async with running_tls(redis_url, tmp_path) as (_, port):
        for suite in (*SUITES, *weak):
            context = client(maximum_version=ssl.TLSVersion.TLSv1_2)
            context.set_ciphers(f"{suite}:@SECLEVEL=0")
            expected = ("TLSv1.2", suite) if suite in SUITES else None
            assert await shake(port, context) == expected, suite
        for version in older:
            context = client()
            context.set_ciphers("ALL:@SECLEVEL=0")
            with pytest.warns(DeprecationWarning, match="TLSv1"):
                context.minimum_version = context.maximum_version = version
            assert await shake(port, context) is None
        found = await shake(port, client(minimum_version=ssl.TLSVersion.TLSv1_3))
        assert found is not None
        assert found[0] == "TLSv1.3"
        await wait_until(lambda: metrics.EDGE_TLS_HANDSHAKES.labels("version").value >= 2)
        assert metrics.EDGE_TLS_HANDSHAKES.labels("cipher").value >= len(weak) - 1
    assert {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "AES128-GCM-SHA256",
            "AES256-GCM-SHA384"} <= set(SUITES)  # fmt: skip


async def test_only_tls_13_where_that_is_set(redis_url: str, tmp_path: Path) -> None:
    """`tls_min_version` 1.3 turns 1.2 away."""
    async with running_tls(redis_url, tmp_path, tls_min_version="1.3") as (_, port):
        assert await shake(port, client(maximum_version=ssl.TLSVersion.TLSv1_2)) is None
        assert await shake(port, client()) is not None


async def test_a_key_over_tls_is_profile_2_and_no_less_afterwards(redis_url: str, tmp_path: Path) -> None:
    """Basic over TLS ends here: profile 2, the raw bytes of a key too; below its minimum a station is refused."""
    async with running_tls(redis_url, tmp_path) as (rig, port):
        key = await rig.key_for("CP1", minimum_profile="2")
        for password in (key, bytes.fromhex(key)):
            socket = await dial(rig, port, "CP1", client(), headers=basic("CP1", password))
            assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]
        found = await opened(rig, "CP1")
        assert (found.security_profile, found.address, found.certificate) == (2, "127.0.0.1", "")
        assert found.proof
        assert await status(rig, port, "CP1", client(), headers=basic("CP1", "wrong")) == 401
        # The same key without TLS would be a downgrade.
        assert (await rig.refused("CP1", headers=basic("CP1", key))).status == 403
        # TLS alone proves nothing.
        await rig.provision("CP2")
        await dial(rig, port, "CP2", client())
        assert (await opened(rig, "CP2")).security_profile == 0


async def test_a_certificate_of_its_own_is_profile_3(redis_url: str, tmp_path: Path) -> None:
    """CN = registered serial number, else the identity; O = the operator: then no key is needed (A00.FR.404, 405)."""
    ca = certs.authority()
    async with running_tls(redis_url, tmp_path, operator_name="Ampstream test") as (rig, port):
        await rig.provision("CP1", minimum_profile="3")
        await rig.provision("CP2", certificate_name="SN-77")
        made, pem = ca.issue("CP1")
        await dial(rig, port, "CP1", client(tmp_path, pem))
        found = await opened(rig, "CP1")
        assert found.security_profile == 3
        assert found.certificate == f"{made.serial_number:X}/organizationName=Ampstream test,commonName=Root"
        assert found.certificate_ends_at == round(made.not_valid_after_utc.timestamp() * 1000)
        assert await status(rig, port, "CP2", client(tmp_path, ca.issue("SN-77", "rsa")[1])) == 101
        refused = [
            ("CP1", ca.issue("CP2")[1]),  # another station's
            ("CP2", ca.issue("CP2")[1]),  # its name in the certificate is another
            ("CP1", ca.issue("CP1", organisation="Somebody else")[1]),
        ]
        for station, shown in refused:
            assert await status(rig, port, station, client(tmp_path, shown)) == 401
        assert metrics.EDGE_CONNECTS.labels("none", "bad_certificate").value == 3
        # A key does not help who must have a certificate, nor who shows a wrong one.
        key = await rig.key_for("CP1", minimum_profile="3")
        login = {"headers": basic("CP1", key)}
        assert await status(rig, port, "CP1", client(), **login) == 403
        assert await status(rig, port, "CP1", client(tmp_path, ca.issue("CP2")[1]), **login) == 401
        assert metrics.EDGE_CONNECTS.labels("none", "profile_downgrade").value == 1


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
async def test_what_the_built_in_authority_signs_opens(redis_url: str, tmp_path: Path, kind: Any) -> None:
    """Its root is taken from Redis while the edge runs; what it signed opens in both versions of TLS."""
    now = round(time.time() * 1000)
    root, key = make("opensesame", kind, "Operator", now)
    station = Identity("CP1", "Operator")
    made = Authority.load(root, key, "opensesame").sign(station.request(), "CP1", "Operator", 30, now)
    assert station.take_certificate(made.chain, now)
    async with running_tls(redis_url, tmp_path, "ecdsa", tls_ca_file="", operator_name="Operator") as (rig, port):
        await rig.provision("CP1", minimum_profile="3")
        await rig.worker.lane.one("HSET", keys.AUTHORITY, "certificate", root)
        listener = rig.edge._listener
        assert listener is not None
        assert listener._securing is not None
        tls = listener._securing.tls
        await wait_until(lambda: tls._root == root)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = client(tmp_path, station.chain, minimum_version=version, maximum_version=version)
            assert await status(rig, port, "CP1", context) == 101
        assert (await opened(rig, "CP1")).certificate == made.id


async def test_a_certificate_without_a_common_name_is_known_by_its_dns_name(redis_url: str, tmp_path: Path) -> None:
    """The subject alternative name counts where there is no common name, and only there."""
    ca = certs.authority()
    async with running_tls(redis_url, tmp_path) as (rig, port):
        await rig.provision("CP1")
        assert await status(rig, port, "CP1", client(tmp_path, ca.issue("", dns="CP1", label="san")[1])) == 101
        shown = ca.issue("CP2", dns="CP1", label="both")[1]
        assert await status(rig, port, "CP1", client(tmp_path, shown)) == 401


async def test_who_is_not_signed_for_does_not_get_as_far_as_http(redis_url: str, tmp_path: Path) -> None:
    """A certificate of a strange authority, or one that has ended, fails the handshake, and that is counted."""
    ended = certs.authority().issue("CP1", ends=-dt.timedelta(hours=1))[1]
    async with running_tls(redis_url, tmp_path) as (rig, port):
        for shown in (certs.authority("Strange").issue("CP1")[1], ended):
            context = client(tmp_path, shown, maximum_version=ssl.TLSVersion.TLSv1_2)
            assert await shake(port, context) is None
        await wait_until(lambda: metrics.EDGE_TLS_HANDSHAKES.labels("certificate").value == 2)
        # A station that speaks plain HTTP to this port, or nothing at all, is told apart.
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /ocpp/CP1 HTTP/1.1\r\n\r\n")
        await wait_until(lambda: metrics.EDGE_TLS_HANDSHAKES.labels("not_tls").value == 1)
        writer.close()
        assert not rig.hub.sessions


async def test_revoked_certificates_are_refused(redis_url: str, tmp_path: Path) -> None:
    """By the fleet's list at once, by a file of lists when it changes."""
    ca = certs.authority()
    lists = tmp_path / "crl.pem"
    lists.write_text(ca.revoke())
    async with running_tls(redis_url, tmp_path, tls_crl_file=lists) as (rig, port):
        first, shown_first = ca.issue("CP1")
        second, shown_second = ca.issue("CP1")
        assert await status(rig, port, "CP1", client(tmp_path, shown_first)) == 101
        known_as = (await opened(rig, "CP1")).certificate
        await rig.worker.lane.one("HSET", keys.REVOKED, known_as, "stolen")
        assert await status(rig, port, "CP1", client(tmp_path, shown_first)) == 401
        assert await status(rig, port, "CP1", client(tmp_path, shown_second)) == 101
        lists.write_text(ca.revoke(second))

        async def is_refused() -> bool:
            return await status(rig, port, "CP1", client(tmp_path, shown_second)) == 401

        await wait_until(is_refused)
        assert first.serial_number != second.serial_number


async def test_a_certificate_that_is_revoked_closes_its_socket(redis_url: str, tmp_path: Path) -> None:
    """By a file of lists that is read again, or by operators who named the certificate alone; others stay."""
    ca = certs.authority()
    lists = tmp_path / "crl.pem"
    lists.write_text(ca.revoke())
    made = {station: ca.issue(station) for station in ("CP1", "CP2", "CP3")}
    async with running_tls(redis_url, tmp_path, tls_crl_file=lists) as (rig, port):
        sockets = {station: await dial(rig, port, station, client(tmp_path, made[station][1])) for station in made}
        with_key = await dial(rig, port, "CP4", client())
        lists.write_text(ca.revoke(made["CP1"][0]))
        assert await closed(sockets["CP1"], 30) == 1008
        assert [msgspec.msgpack.decode(one.frame, type=SessionClosed).reason
                for one in await rig.worker.wait_for(Kind.CLOSED, "CP1")] == ["revoked"]  # fmt: skip
        await rig.worker.lane.one("HSET", keys.REVOKED, (await opened(rig, "CP2")).certificate, "stolen")
        assert await closed(sockets["CP2"], 30) == 1008
        assert metrics.EDGE_DISCONNECTS.labels("revoked").value == 2
        for socket in (sockets["CP3"], with_key):
            assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]


async def test_many_revoked_ones_go_at_the_rate_of_handshakes(redis_url: str, tmp_path: Path) -> None:
    """Each gets a moment of its own, within a bound; one that is reinstated before it stays."""
    ca, limits = certs.authority(), {"connect_rate": 0.01, "connect_burst": 9}
    async with running_tls(redis_url, tmp_path, **limits, tls_reload_s=3600) as (rig, port):
        ids = []
        for station in ("CP1", "CP2", "CP3"):
            await dial(rig, port, station, client(tmp_path, ca.issue(station)[1]))
            ids.append((await opened(rig, station)).certificate)
        with patch("edge.stations.hub.random.uniform", lambda low, high: (low, high)[1]):
            rig.hub.expel(ids)
        now, sessions = rig.hub.monotonic(), rig.hub.sessions.values()
        assert all(EXPEL_S - 5 < one.expelled_at - now <= EXPEL_S and one.due <= one.expelled_at for one in sessions)
        rig.hub.expel(ids[:2])
        assert [one.expelled_at > 0 for one in sessions] == [True, True, False]


async def test_new_files_count_for_new_sockets_and_open_ones_stay(redis_url: str, tmp_path: Path) -> None:
    """A renewed certificate is taken without a restart; one that can't be read changes nothing."""
    async with running_tls(redis_url, tmp_path, "ecdsa") as (rig, port):
        socket = await dial(rig, port, "CP1", client())
        ends = metrics.EDGE_TLS_CERTIFICATE_ENDS.labels().value
        assert abs(ends - (certs.NOW + 60 * certs.DAY).timestamp()) < 2

        async def serial() -> str:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client(), server_hostname="localhost")
            found = writer.get_extra_info("peercert")["serialNumber"]
            writer.transport.abort()
            return str(found)

        before, path = await serial(), tmp_path / "ecdsa.pem"
        path.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        rig.edge._listener.look_at_files()  # type: ignore[union-attr]
        assert await serial() == before
        certs.servers(tmp_path, "ecdsa")
        os.utime(path, ns=(1, 1))  # Another time than before, whatever the file system's clock.

        async def renewed() -> bool:
            return await serial() != before

        await wait_until(renewed)
        assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]
        assert len(rig.worker.of(Kind.OPENED)) == 1


async def test_handshakes_are_admitted_at_a_rate(redis_url: str, tmp_path: Path) -> None:
    """Each costs CPU before anybody has proved anything: beyond the burst they are dropped at once, and counted."""
    async with running_tls(redis_url, tmp_path, "ecdsa", connect_rate=0.01, connect_burst=3) as (_, port):
        done = [await shake(port, client()) for _ in range(5)]
        assert [one is not None for one in done] == [True, True, True, False, False]
        assert metrics.EDGE_TLS_HANDSHAKES.labels("too_many").value == 2


async def test_old_and_new_stations_get_the_certificate_that_they_can_check(redis_url: str, tmp_path: Path) -> None:
    """With both kinds loaded, one that knows RSA alone and one that knows ECDSA alone get in."""
    async with running_tls(redis_url, tmp_path, "rsa", "ecdsa") as (rig, port):
        for number, suite in enumerate(("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256")):
            context = client(maximum_version=ssl.TLSVersion.TLSv1_2)
            context.set_ciphers(suite)
            socket = await dial(rig, port, f"CP{number}", context)
            assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]


async def test_groups_have_a_least_profile(redis_url: str, tmp_path: Path) -> None:
    """A policy holds for its group in any case of letters, one for everybody for all; the highest counts."""
    async with running_tls(redis_url, tmp_path) as (rig, port):
        key = await rig.key_for("CP1", group="North")
        other = await rig.key_for("CP2")
        await rig.worker.lane.one("HSET", keys.SECURITY_POLICIES, "north", "2")
        assert (await rig.refused("CP1", headers=basic("CP1", key))).status == 403
        await rig.dial("CP2", headers=basic("CP2", other))
        assert await status(rig, port, "CP1", client(), headers=basic("CP1", key)) == 101
        await rig.worker.lane.one("HSET", keys.SECURITY_POLICIES, "*", "3")
        assert await status(rig, port, "CP1", client(), headers=basic("CP1", key)) == 403
        # Who has no key proves nothing, so it learns nothing.
        assert (await rig.refused("CP3")).status == 401


async def test_a_proxy_may_pass_tls_on_and_say_who_dials(redis_url: str, tmp_path: Path) -> None:
    """The PROXY header comes before the handshake: address from there, certificate from here."""
    shown = certs.authority().issue("CP1")[1]
    changes = {"trusted_proxies": "127.0.0.1", "proxy_protocol": "trusted"}
    async with running_tls(redis_url, tmp_path, **changes) as (rig, port):
        incoming, outgoing, link = ssl.MemoryBIO(), ssl.MemoryBIO(), client(tmp_path, shown)
        station = link.wrap_bio(incoming, outgoing, server_hostname="localhost")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ssl.SSLWantReadError):
            station.do_handshake()
        # In one packet: what follows the header is TLS's.
        writer.write(b"PROXY TCP4 203.0.113.9 192.0.2.1 51234 9443\r\n" + outgoing.read())

        async def until(step: Any) -> Any:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    try:
                        found = step()
                    except ssl.SSLWantReadError:
                        writer.write(outgoing.read())
                        incoming.write(await reader.read(65536))
                    else:
                        writer.write(outgoing.read())
                        return found

        await until(station.do_handshake)
        head = "GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        await until(lambda: station.write(f"{head}Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()))
        assert (await until(lambda: station.read(4096))).startswith(b"HTTP/1.1 101 ")
        found = await opened(rig, "CP1")
        assert (found.address, found.security_profile) == ("203.0.113.9", 3)
        writer.transport.abort()


def test_a_file_that_was_read_half_written_is_read_again(tmp_path: Path) -> None:
    """Though the rest of it came within the same tick of its time."""
    tls = Tls(settings_for("redis://127.0.0.1:1/0", tls_certificates=certs.servers(tmp_path, "ecdsa")))
    path, whole = tmp_path / "ecdsa.pem", certs.authority().issue("localhost", label="server ecdsa")[1]
    for text, taken in ((whole[:300], False), (whole, True)):
        path.write_text(text)
        os.utime(path, ns=(1, 1))
        assert tls.refresh() is taken


@pytest.mark.parametrize(
    ("text", "reason"), [("", "no certificate"), ("-----BEGIN X-----\n", "no certificate"), (None, "No such file")]
)
def test_files_that_can_not_be_used_are_named(tmp_path: Path, text: str | None, reason: str) -> None:
    """At start such a file ends the process, with its name and the reason."""
    path = tmp_path / "server.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadFiles, match=reason) as caught:
        Tls(settings_for("redis://127.0.0.1:1/0", tls_certificates=path))
    assert str(path) in str(caught.value)
