"""RFC 6455 without IO."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampstream.simulate import wsframes
from ampstream.simulate.wsframes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Message, Reader, Violation


def server_frame(opcode: int, data: bytes, *, fin: bool = True, reserved: int = 0) -> bytes:
    """Encode a frame as a server does: unmasked."""
    first = (0x80 if fin else 0) | reserved | opcode
    if len(data) < 126:
        return bytes((first, len(data))) + data
    if len(data) < 65536:
        return struct.pack("!BBH", first, 126, len(data)) + data
    return struct.pack("!BBQ", first, 127, len(data)) + data


def unmask(frame: bytes) -> bytes:
    """Return the data of a client's frame, byte by byte as §5.3 has it."""
    size = frame[1] & 0x7F
    at = 2 + (2 if size == 126 else 8 if size == 127 else 0)
    key, data = frame[at : at + 4], frame[at + 4 :]
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(data))


@given(st.binary(max_size=70000), st.integers(0, 2**32 - 1))
def test_encode_masks(data: bytes, key: int) -> None:
    """Every size of frame is masked with its key and carries its length."""
    frame = wsframes.encode(TEXT, data, key)
    assert frame[0] == 0x80 | TEXT
    assert frame[1] & 0x80
    assert unmask(frame) == data


@given(st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING, PONG]), st.binary(max_size=125)), max_size=6))
def test_one_byte_slices(messages: list[tuple[int, bytes]]) -> None:
    """Messages come out whole and in order, however thin the stream is sliced."""
    reader, out = Reader(), []
    for opcode, data in messages:
        for byte in server_frame(opcode, data):
            out += reader.feed(bytes((byte,)))
    assert out == [Message(*message) for message in messages]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 200_000])
def test_lengths(size: int) -> None:
    """All three encodings of the length are read, in one piece or two."""
    frame = server_frame(TEXT, b"x" * size)
    assert Reader().feed(frame) == [Message(TEXT, b"x" * size)]
    reader = Reader()
    assert reader.feed(frame[:3]) + reader.feed(frame[3:]) == [Message(TEXT, b"x" * size)]


def test_fragments_with_a_ping_between() -> None:
    """A fragmented message is put together; a control frame inside comes out at once."""
    reader = Reader()
    stream = (
        server_frame(TEXT, b"[2,", fin=False)
        + server_frame(PING, b"p")
        + server_frame(CONTINUATION, b'"1"', fin=False)
        + server_frame(CONTINUATION, b"]")
    )
    assert reader.feed(stream) == [Message(PING, b"p"), Message(TEXT, b'[2,"1"]')]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (server_frame(TEXT, b"", reserved=0x40), 1002),
        (server_frame(3, b""), 1002),
        (server_frame(CONTINUATION, b"x"), 1002),
        (server_frame(TEXT, b"x", fin=False) + server_frame(TEXT, b"y"), 1002),
        (server_frame(PING, b"x", fin=False), 1002),
        (server_frame(PING, b"x" * 126), 1002),
        (wsframes.encode(TEXT, b"x", 1), 1002),
        (struct.pack("!BBQ", 0x81, 127, 1 << 40), 1009),
    ],
)
def test_violations(frame: bytes, code: int) -> None:
    """What RFC 6455 forbids a server is refused with the close code that says so."""
    with pytest.raises(Violation) as caught:
        Reader().feed(frame)
    assert caught.value.code == code


def test_fragments_beyond_the_limit() -> None:
    """The limit counts for the message, not only for the frame."""
    reader = Reader(limit=10)
    reader.feed(server_frame(TEXT, b"12345678", fin=False))
    with pytest.raises(Violation) as caught:
        reader.feed(server_frame(CONTINUATION, b"90123"))
    assert caught.value.code == 1009


@pytest.mark.parametrize(
    ("data", "expected"), [(b"", (1005, "")), (b"\x03\xe8", (1000, "")), (b"\x03\xf4bye", (1012, "bye"))]
)
def test_close_code(data: bytes, expected: tuple[int, str]) -> None:
    """Code and reason of a close frame are read; without them it is 1005."""
    assert wsframes.decode_close(data) == expected


@pytest.mark.parametrize("data", [b"\x03", b"\x03\xed", b"\x03\xe8\xff", b"\x00\x01"])
def test_bad_close(data: bytes) -> None:
    """A close frame with half a code, a forbidden one or a reason that is no text is a violation."""
    with pytest.raises(Violation):
        wsframes.decode_close(data)


def test_encode_close() -> None:
    """A close frame of ours reads as one, its reason cut to the frame's limit."""
    frame = wsframes.encode_close(1001, "x" * 200, 7)
    assert frame[0] == 0x80 | CLOSE
    assert wsframes.decode_close(unmask(frame)) == (1001, "x" * 123)
