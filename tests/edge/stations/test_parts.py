"""The door's parts by themselves: identities, limits, origins, the handshake, frames on the wire."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from edge.stations import handshake, identity, origin, wire
from edge.stations.limits import MAX_KEYS, Admission, Attempts
from shared.settings import networks


@given(st.text(max_size=60))
def test_whatever_passes_as_an_identity_can_be_a_key_and_a_user_name(text: str) -> None:
    """No identity ends a hash tag, a Basic user name or a path, and none is too long."""
    try:
        identity.check(text)
    except identity.BadIdentity:
        return
    assert 0 < len(text) <= 48
    assert not set(text) & set(":/{}\n\r\0")
    assert text.isprintable()


@given(st.text(max_size=200))
def test_any_path_is_a_station_or_refused_with_a_reason(target: str) -> None:
    """No request target raises anything else."""
    with contextlib.suppress(identity.BadIdentity, identity.NotHere):
        assert identity.station_of(target, "/ocpp")


def test_without_a_prefix_the_path_is_the_identity() -> None:
    """The prefix may be empty."""
    assert identity.station_of("/CP1", "") == "CP1"
    with pytest.raises(identity.NotHere):
        identity.station_of("CP1", "")


def test_admission_gives_a_burst_then_a_rate() -> None:
    """Tokens come back with time, never above the burst; a restart begins without any."""
    bucket = Admission(10.0, 3, 100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(100.05)
    assert bucket.take(100.15)
    assert [bucket.take(200.0) for _ in range(4)] == [True, True, True, False]
    bucket.restart(300.0)
    assert not bucket.take(300.0)
    assert bucket.take(300.2)


def test_a_crowd_is_told_to_come_back_over_the_time_it_needs() -> None:
    """The more were refused, the wider Retry-After is spread; it narrows again as time passes."""
    bucket = Admission(10.0, 1, 100.0)
    for _ in range(201):
        bucket.take(100.0)
    waits = {bucket.retry_after_s() for _ in range(500)}
    assert min(waits) >= 1
    assert 30 <= max(waits) <= 42
    bucket.peek(130.0)
    assert max(bucket.retry_after_s() for _ in range(100)) <= 2


def test_failed_logins_are_counted_by_pair_address_and_name() -> None:
    """A pair is stopped at the limit, an address at ten times; a name alone never stops a station from being heard."""
    attempts = Attempts(3)
    for _ in range(3):
        attempts.failed("a", "CP1", 100.0)
    assert attempts.wait_s("a", "CP1", 100.5) == 60
    assert not attempts.wait_s("a", "CP2", 100.0)
    assert not attempts.wait_s("b", "CP1", 100.0)
    for n in range(27):
        attempts.failed(f"x{n}", "CP1", 110.0)
        attempts.failed("a", f"CP{n}", 110.0)
    assert attempts.guessed("CP1", 110.0)
    assert not attempts.wait_s("b", "CP1", 110.0)
    assert attempts.wait_s("a", "anybody", 140.0) == 20
    assert not attempts.wait_s("a", "anybody", 160.0)
    assert attempts.wait_s("a", "CP1", 159.0) == 1
    assert not attempts.wait_s("a", "CP1", 160.0)


def test_the_turn_of_a_minute_gives_nobody_more_tries() -> None:
    """A minute begins with the first failure, not with the clock's."""
    attempts = Attempts(3)
    for now in (119.8, 119.9, 120.1):
        attempts.failed("a", "CP1", now)
    assert attempts.wait_s("a", "CP1", 120.2) == 60


def test_failed_logins_take_bounded_memory() -> None:
    """However many addresses and names try, the table stays bounded."""
    attempts = Attempts(3)
    for n in range(MAX_KEYS):
        attempts.failed(f"a{n}", f"s{n}", 100.0)
    assert len(attempts._failures) <= MAX_KEYS + 1


PROXIES = networks("10.0.0.0/8, 192.0.2.1")
FORWARDED = [
    ("203.0.113.5", "198.51.100.7", "203.0.113.5"),
    ("10.1.1.1", "198.51.100.7", "198.51.100.7"),
    ("10.1.1.1", "6.6.6.6, 198.51.100.7, 10.2.2.2", "198.51.100.7"),
    ("10.1.1.1", "198.51.100.7, nonsense", "10.1.1.1"),
    ("10.1.1.1", "", "10.1.1.1"),
    ("", "198.51.100.7", ""),
    ("::ffff:10.1.1.1", "::ffff:198.51.100.7", "198.51.100.7"),
    ("::ffff:203.0.113.5", "198.51.100.7", "203.0.113.5"),
    ("10.1.1.1", "2001:DB8:0::1", "2001:db8::1"),
]


@pytest.mark.parametrize(("peer", "header", "address"), FORWARDED)
def test_only_a_trusted_proxys_word_counts(peer: str, header: str, address: str) -> None:
    """The last hop that is no trusted proxy is the station; what anybody could have written before it is not read."""
    assert origin.address_of(peer, CIMultiDict({"X-Forwarded-For": header}), PROXIES) == address


def test_the_accept_key_of_the_standards_example() -> None:
    """RFC 6455 §1.3."""
    headers = {
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert handshake.accept_key("GET", headers) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    with pytest.raises(handshake.BadHandshake):
        handshake.accept_key("POST", headers)


def test_offered_subprotocols_come_from_all_headers() -> None:
    """Several headers and lists with blanks are one offer, in order."""
    assert handshake.offered(["ocpp2.0.1 , ocpp1.6", "", "x"]) == ["ocpp2.0.1", "ocpp1.6", "x"]


class Kept(wire.Wire):
    """A wire that keeps what it is told."""

    def __init__(self, limit: int = 1000) -> None:
        self.socket = Transport()
        super().__init__(self.socket, limit)  # type: ignore[arg-type]
        self.told: list[Any] = []

    def on_text(self, data: bytes, *, binary: bool) -> None:
        if data == b"fault":
            raise RuntimeError("a fault of ours")
        self.told.append((bytes(data), binary))

    def on_ping(self) -> None:
        self.told.append("ping")

    def on_pong(self) -> None:
        self.told.append("pong")

    def on_peer_close(self, code: int) -> None:
        self.told.append(code)

    def on_violation(self, code: int, reason: str) -> None:
        self.told.append(("violation", code))

    def on_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")


class Transport:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame, masked with zeros."""
    head = wire.frame(opcode, payload)
    size = len(head) - len(payload)
    return head[:1] + bytes([head[1] | 0x80]) + head[2:size] + bytes(4) + payload


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_frames_of_every_length_are_read_as_they_are_written(size: int) -> None:
    """The three length forms of RFC 6455 §5.2, written by us and read by aiohttp's reader."""
    kept = Kept(1 << 20)
    kept.data_received(masked(1, b"x" * size))
    assert kept.told == [(b"x" * size, False)]


def test_what_the_reader_reports_arrives_where_it_should() -> None:
    """Texts, binaries, pings (answered), pongs and closes; this tells when aiohttp's reader changes."""
    kept = Kept()
    frames = masked(1, b"a") + masked(2, b"b") + masked(9, b"p") + masked(10, b"") + masked(8, b"\x03\xe8bye")
    kept.data_received(frames)
    assert kept.told == [(b"a", False), (b"b", True), "ping", "pong", 1000]
    assert kept.socket.written == b"\x8a\x01p"


@given(st.binary(max_size=300))
def test_no_bytes_from_a_peer_escape(data: bytes) -> None:
    """Whatever comes is a message or a violation, never an exception."""
    kept = Kept()
    kept.data_received(data)
    kept.data_received(data)
    kept.connection_lost(None)
    assert kept.told[-1] == "lost"


def test_a_fault_of_ours_ends_that_socket_only() -> None:
    """An exception in a session's own code closes it; the reader's C code would have swallowed it."""
    kept = Kept()
    kept.data_received(masked(1, b"fault"))
    assert kept.told == [("violation", 1011)]


@pytest.mark.parametrize("limit", [1000, 5000])
def test_a_declared_length_beyond_the_limit_is_refused_before_it_comes(limit: int) -> None:
    """A header that promises a gigabyte costs nothing (F27)."""
    kept = Kept(limit)
    kept.data_received(b"\x81\xff" + (1 << 30).to_bytes(8, "big"))
    assert kept.told == [("violation", 1009)]


BROKEN = [
    pytest.param(b"\xc1\x80\0\0\0\0", id="compressed, which was not agreed to"),
    pytest.param(b"\x83\x80\0\0\0\0", id="an opcode that does not exist"),
    pytest.param(b"\x09\x80\0\0\0\0", id="a ping in pieces"),
    pytest.param(b"\x80\x80\0\0\0\0", id="a continuation of nothing"),
    pytest.param(b"\x88\x82\0\0\0\0\x03\xed", id="a close with a reserved code"),
]


@pytest.mark.parametrize("data", BROKEN)
def test_what_breaks_the_protocol_is_a_violation(data: bytes) -> None:
    """Nothing is inflated that was not negotiated, and nothing else is guessed at."""
    kept = Kept()
    kept.data_received(data)
    assert kept.told == [("violation", 1002)]


def test_nothing_is_written_behind_a_close() -> None:
    """After the close frame the socket is silent, pongs included."""
    kept = Kept()
    kept.say_close(1012, "x" * 200)
    written = kept.socket.written
    assert written[:4] == b"\x88\x7d\x03\xf4"
    kept.write(wire.TEXT, b"late")
    kept.data_received(masked(9, b""))
    assert kept.socket.written == written
