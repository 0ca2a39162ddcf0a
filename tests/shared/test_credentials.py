"""Credentials: keys that Ampstream made, passwords that people chose, the Basic header."""

import base64

import pytest

from shared import credentials
from shared.bus.lane import Lane
from shared.settings import Settings

PEPPER = b"p" * 32


def test_a_key_verifies_as_hex_in_any_case_and_as_the_bytes_it_stands_for() -> None:
    """1.6 stations are given 40 hex characters and may send 20 raw bytes."""
    key = credentials.make_key()
    stored = credentials.hash_key(key, PEPPER)
    for sent in (key.encode(), key.upper().encode(), bytes.fromhex(key)):
        assert credentials.verify(sent, stored, PEPPER)
    assert not credentials.is_slow(stored)


@pytest.mark.parametrize("sent", [b"", b"wrong", b"0" * 40])
def test_another_key_another_pepper_and_nothing_stored_do_not_verify(sent: bytes) -> None:
    """Only the right key under the right pepper is let in; an empty record is nobody's."""
    stored = credentials.hash_key(credentials.make_key(), PEPPER)
    assert not credentials.verify(sent, stored, PEPPER)
    assert not credentials.verify(sent, "", PEPPER)
    assert not credentials.verify(sent, "b2$", PEPPER)
    assert not credentials.verify(sent, "scrypt$nonsense", PEPPER)
    key = credentials.make_key()
    assert not credentials.verify(key.encode(), credentials.hash_key(key, PEPPER), b"q" * 32)


def test_a_chosen_password_is_hashed_slowly_with_its_own_salt() -> None:
    """The same password twice gives two records, and both verify."""
    first, second = credentials.hash_password("correct horse"), credentials.hash_password(b"correct horse")
    assert first != second
    assert credentials.is_slow(first)
    assert credentials.verify(b"correct horse", first, PEPPER)
    assert credentials.verify(b"correct horse", second, PEPPER)
    assert not credentials.verify(b"correct horsf", first, PEPPER)


@pytest.mark.parametrize("key", ["", "abc", "g" * 40, "0" * 39, "0" * 41])
def test_only_a_key_that_ampstream_makes_gets_the_fast_hash(key: str) -> None:
    """A guessable key is refused, with what a key looks like."""
    with pytest.raises(ValueError, match="40 hex"):
        credentials.hash_key(key, PEPPER)


@pytest.mark.parametrize("password", ["", "x" * 129])
def test_a_password_has_a_length(password: str) -> None:
    """Empty and overlong passwords are refused."""
    with pytest.raises(ValueError, match="1 to 128"):
        credentials.hash_password(password)


def header(value: bytes) -> str:
    return "Basic " + base64.b64encode(value).decode()


def test_the_password_of_a_basic_header_is_bytes_and_may_hold_colons() -> None:
    """Everything behind the first colon is the password (RFC 7617 §2)."""
    raw = bytes(range(20))
    assert credentials.parse_basic(header(b"CP1:" + raw)) == credentials.Basic(b"CP1", raw)
    assert credentials.parse_basic(header(b"CP1:a:b")) == credentials.Basic(b"CP1", b"a:b")
    assert credentials.parse_basic("bAsIc  " + header(b"CP1:x")[6:]) == credentials.Basic(b"CP1", b"x")


@pytest.mark.parametrize("text", ["", "Basic", "Basic ???", "Bearer abc", "Basic é", header(b"no colon")])
def test_a_malformed_header_is_none(text: str) -> None:
    """What cannot be read is treated as not sent."""
    assert credentials.parse_basic(text) is None


def test_a_password_never_shows() -> None:
    """A Basic header's repr holds no part of it."""
    assert "hunter2" not in repr(credentials.parse_basic(header(b"CP1:hunter2")))


async def test_the_pepper_is_made_once(settings: Settings) -> None:
    """Every process of a system gets the same pepper."""
    lane = await Lane.open(settings.redis_url.reveal(), name="test")
    first = await credentials.load_pepper(lane)
    assert len(first) == credentials.PEPPER_BYTES
    assert await credentials.load_pepper(lane) == first
    await lane.close()
