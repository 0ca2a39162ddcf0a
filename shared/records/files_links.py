"""Links to files: a URL that lets its holder fetch one file, or leave one, once and for a time.

    <base>/transfer/<token>/<name>      token: base64url(what it allows) "." base64url(signature)

What a link allows is in its token, signed (HMAC-SHA-256, cut to 128 bits) with a key that edges and workers share in
Redis: a link is made without a round trip, and none can be made up. That it is for one use stands in Redis, under the
link's own id, from its first use on.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import uuid
from typing import Final, Literal
from urllib.parse import quote

import hiredis
import msgspec

from shared.bus import firmware_keys
from shared.bus.lane import Lane
from shared.settings import Settings
from shared.urls import TRANSFER

Purpose = Literal["get", "put"]
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 16
MAX_TOKEN: Final = 512


class BadLink(Exception):
    """A token that was made up, or changed on its way."""


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a token allows."""

    purpose: Purpose
    file: bytes
    """The file's id."""
    expires_at: int
    """Seconds since 1970."""
    station_id: str
    """Whom it was made for."""
    nonce: bytes
    """Makes two links to the same file differ."""

    @property
    def file_id(self) -> str:
        """The file's id as text."""
        return str(uuid.UUID(bytes=self.file))


def make(purpose: Purpose, file_id: str, station_id: str, expires_at: int, source: str = "") -> Link:
    """Return a link that expires at `expires_at` (ms); equal for one source, else one of its kind."""
    nonce = hashlib.blake2b(source.encode(), digest_size=8).digest() if source else secrets.token_bytes(8)
    return Link(purpose, uuid.UUID(file_id).bytes, expires_at // 1000, station_id, nonce)


def sign(key: bytes, link: Link) -> str:
    """Return the token of a link."""
    body = msgspec.msgpack.encode(link)
    return f"{_text(body)}.{_text(_signature(key, body))}"


def read(key: bytes, token: str) -> Link:
    """Return what a token allows, expired or not; raises `BadLink` unless it was signed with this key."""
    body, dot, signature = token.partition(".")
    try:
        data, given = _bytes(body), _bytes(signature)
    except (binascii.Error, ValueError):
        raise BadLink("the link is malformed") from None
    if not dot or len(token) > MAX_TOKEN or not hmac.compare_digest(_signature(key, data), given):
        raise BadLink("the link is not one of ours")
    try:
        return msgspec.msgpack.decode(data, type=Link)
    except msgspec.MsgspecError:
        raise BadLink("the link is of another release") from None


def link_id(link: Link) -> str:
    """Return the name of a link's use: tells nothing about its token."""
    return hashlib.blake2b(msgspec.msgpack.encode(link), digest_size=12).hexdigest()


def base_url(settings: Settings) -> str:
    """Return the URL that links begin with."""
    if settings.transfer_url:
        return settings.transfer_url.rstrip("/")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.transfer_host, settings.transfer_host)  # noqa: S104
    scheme = "https" if settings.transfer_tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.transfer_port}"


def url(base: str, token: str, name: str) -> str:
    """Return the URL of a token; `name` is what a station shows, and some look at its ending."""
    return f"{base}{TRANSFER}{token}/{quote(name, safe='')}"


def upload_url(base: str, token: str) -> str:
    """Return the URL below which a station leaves a file under a name of its own."""
    return f"{base}{TRANSFER}{token}/"


async def load_key(lane: Lane) -> bytes:
    """Return what this system's links are signed with, made at the first call ever; raises ReplyError or LaneLost."""
    fresh = secrets.token_bytes(KEY_BYTES)
    made, found = await lane.execute(
        [("SET", firmware_keys.META_LINK_KEY, fresh, "NX"), ("GET", firmware_keys.META_LINK_KEY)]
    )
    for reply in (made, found):
        if isinstance(reply, hiredis.ReplyError):
            raise reply
    return bytes(found)


def _signature(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")[:SIGNATURE_BYTES]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
