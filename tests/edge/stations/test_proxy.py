"""The PROXY protocol's headers: both versions are read, whatever else comes is refused, nothing is guessed."""

from __future__ import annotations

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from edge.stations import origin, proxy
from edge.stations.proxy import MAX_BYTES, MAX_LINE, SIGNATURE, BadHeader, Header
from shared.settings import networks

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
PORTS = st.integers(0, 65535)
VALUES = st.lists(st.tuples(st.sampled_from([0x01, 0x02, 0x04, 0x05, 0x20, 0xE0]), st.binary(max_size=40)), max_size=6)


def line(source: object, port: int, family: str | None = None) -> bytes:
    """Return a header of version 1."""
    address = ipaddress.ip_address(str(source))
    own = "192.0.2.1" if address.version == 4 else "2001:db8::1"
    return f"PROXY {family or f'TCP{address.version}'} {address} {own} {port} 9000\r\n".encode()


def binary(source: object, port: int, values: bytes = b"", *, command: int = 0x21, kind: int | None = None) -> bytes:
    """Return a header of version 2."""
    address = ipaddress.ip_address(str(source))
    body = address.packed * 2 + struct.pack("!HH", port, 9000) + values
    kind = kind if kind is not None else (0x11 if address.version == 4 else 0x21)
    return SIGNATURE + struct.pack("!BBH", command, kind, len(body)) + body


def value(kind: int, data: bytes) -> bytes:
    """Return one type-length-value."""
    return struct.pack("!BH", kind, len(data)) + data


SSL = value(0x20, b"\x01" + bytes(4))


@given(ADDRESSES, PORTS, st.binary(max_size=60))
def test_a_line_is_read_to_its_end(address: object, port: int, rest: bytes) -> None:
    """Version 1 gives the source's address and its own size; what follows it is left alone."""
    head = line(address, port)
    assert proxy.read(head + rest) == Header(len(head), str(address))


@given(ADDRESSES, PORTS, VALUES, st.binary(max_size=60))
def test_a_binary_header_is_read_to_its_end(
    address: object, port: int, values: list[tuple[int, bytes]], rest: bytes
) -> None:
    """Version 2 gives the source's address, its size, and TLS where the last value of type SSL says so."""
    head = binary(address, port, b"".join(value(*each) for each in values))
    said = [data[0] & 1 for kind, data in values if kind == 0x20 and data]
    assert proxy.read(head + rest) == Header(len(head), str(address), tls=bool(said and said[-1]))


@given(ADDRESSES, st.booleans(), st.data())
def test_a_part_of_a_header_is_waited_for(address: object, of_version_2: bool, data: st.DataObject) -> None:
    """No part of a header is taken for all of it, nor refused."""
    head = binary(address, 5, SSL) if of_version_2 else line(address, 5)
    assert proxy.read(head[: data.draw(st.integers(0, len(head) - 1))]) is None


@given(
    st.one_of(st.binary(max_size=300), st.builds(bytes.__add__, st.sampled_from([SIGNATURE, b"PROXY "]), st.binary()))
)
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    """No bytes raise anything but `BadHeader`; a header never claims more than there is, nor what is no address."""
    try:
        header = proxy.read(data)
    except BadHeader:
        return
    if header is None:
        assert len(data) < MAX_BYTES
    else:
        assert header.size <= len(data)
        assert header.address in ("", *(str(ipaddress.ip_address(each)) for each in [header.address] if each))


REFUSED = [
    pytest.param(b"GET /ocpp/CP1 HTTP/1.1\r\n", id="HTTP"),
    pytest.param(b"PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", id="two blanks"),
    pytest.param(b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", id="a port is missing"),
    pytest.param(b"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", id="a leading zero"),
    pytest.param(b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", id="no port"),
    pytest.param(b"PROXY TCP4 ::1 ::2 1 2\r\n", id="another family"),
    pytest.param(b"PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n", id="no address"),
    pytest.param(b"PROXY TCP4 \xff.1.1.1 2.2.2.2 1 2\r\n", id="no ASCII"),
    pytest.param(b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", id="another transport"),
    pytest.param(b"proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n", id="small letters"),
    pytest.param(b"PROXY TCP4 " + b"1" * MAX_LINE, id="a line too long"),
    pytest.param(binary("1.1.1.1", 1, command=0x11), id="another version"),
    pytest.param(binary("1.1.1.1", 1, command=0x22), id="another command"),
    pytest.param(binary("1.1.1.1", 1, kind=0x41), id="an unknown family"),
    pytest.param(binary("1.1.1.1", 1, kind=0x13), id="an unknown transport"),
    pytest.param(binary("1.1.1.1", 1, kind=0x21), id="addresses cut off"),
    pytest.param(binary("1.1.1.1", 1, b"\x01"), id="a value cut off"),
    pytest.param(binary("1.1.1.1", 1, b"\x20\x00\x09\x01"), id="a value shorter than it says"),
    pytest.param(SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 65535), id="too long, said at once"),
]


@pytest.mark.parametrize("data", REFUSED)
def test_what_is_no_header_is_refused(data: bytes) -> None:
    """Anything but a header of one of the two versions, well formed and not too long, is refused."""
    with pytest.raises(BadHeader):
        proxy.read(data)


UNKNOWN = [
    pytest.param(b"PROXY UNKNOWN\r\n", id="version 1"),
    pytest.param(b"PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n", id="version 1 with words"),
    pytest.param(binary("1.1.1.1", 1, command=0x20), id="the proxy's own connection"),
    pytest.param(binary("1.1.1.1", 1, kind=0x00), id="unspecified"),
    pytest.param(binary("1.1.1.1", 1, kind=0x12), id="datagrams"),
    pytest.param(SIGNATURE + struct.pack("!BBH", 0x21, 0x31, 216) + bytes(216), id="a Unix socket"),
]


@pytest.mark.parametrize("data", UNKNOWN)
def test_a_client_that_the_proxy_does_not_know_stays_unknown(data: bytes) -> None:
    """Such a header is read to its end and names nobody; what HTTP says of that client is not believed."""
    header = proxy.read(data + b"GET")
    assert header == Header(len(data))
    headers = CIMultiDict({"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})
    assert origin.of("10.0.0.1", header, headers, networks("10.0.0.0/8")) == origin.Origin("10.0.0.1", tls=False)


def test_headers_of_a_named_client_count_where_it_is_a_proxy_itself() -> None:
    """Behind a balancer of TCP stands a proxy of HTTP: its headers count, a station's own do not."""
    trusted = networks("10.0.0.0/8")
    headers = CIMultiDict({"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})
    assert origin.of("10.0.0.1", Header(0, "10.0.0.2"), headers, trusted) == origin.Origin("203.0.113.9", tls=True)
    assert origin.of("10.0.0.1", Header(0, "192.0.2.7"), headers, trusted) == origin.Origin("192.0.2.7", tls=False)
    assert origin.of("10.0.0.1", Header(0, "192.0.2.7", tls=True), headers, trusted).tls


def test_a_line_that_a_proxy_added_below_a_clients_own_counts() -> None:
    """Where a station sent X-Forwarded-For itself and the proxy added a second line, the proxy's word is the last."""
    headers = CIMultiDict(
        [
            ("X-Forwarded-For", "6.6.6.6"),
            ("X-Forwarded-For", "203.0.113.9"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Proto", "http"),
        ]
    )
    assert origin.of("10.0.0.1", None, headers, networks("10.0.0.0/8")) == origin.Origin("203.0.113.9", tls=False)


def test_the_library_of_sockets_reads_the_same_addresses() -> None:
    """The addresses on the wire are those of `inet_pton`: nothing is in another byte order."""
    head = SIGNATURE + struct.pack("!BBH4s4sHH", 0x21, 0x11, 12, socket.inet_aton("203.0.113.9"), bytes(4), 1, 2)
    assert proxy.read(head) == Header(28, "203.0.113.9")
