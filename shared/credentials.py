"""What proves a station's identity, and how it is kept: never as it is, and fast to check where that is safe.

    b2$<hex>                            a key that Ampstream made: keyed BLAKE2b, for 160 random bits need no slow hash
    scrypt$<log2 n>$<r>$<p>$<salt>$<hash>   a password that a person chose: scrypt, 33 ms of CPU a check

Keys that are made have 40 hex characters, and 32 to 40 are a key. A 1.6 station is given them so and may send the bytes
that they stand for, which are no text, or other letter case (OCPP 1.6 security white paper A00.FR.205 and the
definition of AuthorizationKey); all of them verify.
The pepper keys the fast hash: who reads the stored hashes alone can't test a guess. It is made once and kept in Redis.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from typing import Final

import hiredis
import msgspec

from shared.bus import keys
from shared.bus.lane import Lane

KEY_BYTES: Final = 20
"""160 bits: the length that the standard's AuthorizationKey has room for."""
MAX_PASSWORD_BYTES: Final = 128
PEPPER_BYTES: Final = 32

_FAST: Final = "b2$"
_SLOW: Final = "scrypt$"
_LOG2_N: Final = 14
_R: Final = 8
_P: Final = 1
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_MAX_MEMORY: Final = 64 * 1024 * 1024
_HEX_KEY = re.compile(rb"(?:[0-9a-fA-F]{2}){16,20}")
"""What the standard's key looks like: 16 to 20 bytes in hexadecimal (A00.FR.205)."""
_NOBODY: Final = _FAST + "0" * 64
"""Compared with where there is nothing to compare with, so that both take as long."""


class Basic(msgspec.Struct, frozen=True):
    """User name and password of an HTTP Basic header, as bytes (a 1.6 password may be any 20 bytes)."""

    user: bytes
    password: bytes

    def __repr__(self) -> str:
        return "Basic(***)"


def parse_basic(header: str) -> Basic | None:
    """Read an Authorization header (RFC 7617); None where it is no well-formed Basic one."""
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(value.strip().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    user, colon, password = decoded.partition(b":")
    if not colon or len(password) > MAX_PASSWORD_BYTES:
        return None
    return Basic(user, password)


def make_key() -> str:
    """Return a new key: 40 hex characters of 160 random bits."""
    return secrets.token_hex(KEY_BYTES)


def hash_key(key: str | bytes, pepper: bytes) -> str:
    """Return what is stored for a key of `make_key`; raises ValueError for any other (it could be guessed)."""
    raw = key.encode() if isinstance(key, str) else key
    if not is_key(raw):
        raise ValueError("a station's key has 32 to 40 hex characters")
    return _fast(_canonical(raw), pepper)


def is_key(text: bytes) -> bool:
    """Tell whether a text is a key in hexadecimal, which needs no slow hash."""
    return _HEX_KEY.fullmatch(text) is not None


def mark(stored: str) -> str:
    """Return a short name of a stored credential, by which it is told that this one opened."""
    return hashlib.blake2b(stored.encode(), digest_size=8, person=b"amp-credential").hexdigest()


def hash_password(password: str | bytes) -> str:
    """Return what is stored for a password that a person chose; takes 33 ms: run it on a thread.

    Raises ValueError where it is empty or longer than 128 bytes.
    """
    raw = password.encode() if isinstance(password, str) else password
    if not 0 < len(raw) <= MAX_PASSWORD_BYTES:
        raise ValueError(f"a password has 1 to {MAX_PASSWORD_BYTES} bytes")
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"{_SLOW}{_LOG2_N}${_R}${_P}${salt.hex()}${_scrypt(raw, salt, _LOG2_N, _R, _P).hex()}"


def is_slow(stored: str) -> bool:
    """Tell whether `verify` takes 33 ms for this stored credential."""
    return stored.startswith(_SLOW)


def verify(password: bytes, stored: str, pepper: bytes) -> bool:
    """Tell whether `password` is the one stored, in a time that does not depend on how far it is right.

    An empty or malformed `stored` is nobody's. Slow for `is_slow` ones: run those on a thread.
    """
    if is_slow(stored):
        return _verify_slow(password, stored)
    known = stored.startswith(_FAST)
    same = hmac.compare_digest(_fast(_canonical(password), pepper), stored if known else _NOBODY)
    return same and known


async def load_pepper(lane: Lane) -> bytes:
    """Return this system's pepper, made at the first call ever; raises ReplyError or LaneLost as the lane does."""
    fresh = secrets.token_bytes(PEPPER_BYTES)
    made, found = await lane.execute([("SET", keys.META_PEPPER, fresh, "NX"), ("GET", keys.META_PEPPER)])
    for reply in (made, found):
        if isinstance(reply, hiredis.ReplyError):
            raise reply
    return bytes(found)


def _canonical(password: bytes) -> bytes:
    return bytes.fromhex(password.decode()) if is_key(password) else password


def _fast(password: bytes, pepper: bytes) -> str:
    return _FAST + hashlib.blake2b(password, key=pepper, digest_size=32).hexdigest()


def _scrypt(password: bytes, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=1 << log2_n, r=r, p=p, dklen=_HASH_BYTES, maxmem=_MAX_MEMORY)


def _verify_slow(password: bytes, stored: str) -> bool:
    try:
        _, log2_n, r, p, salt, expected = stored.split("$")
        found = _scrypt(password, bytes.fromhex(salt), int(log2_n), int(r), int(p))
        return hmac.compare_digest(found, bytes.fromhex(expected))
    except ValueError:
        return False
