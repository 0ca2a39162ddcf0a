"""Operators' tokens, read and written: few, and read whole where they are listed."""

from __future__ import annotations

from typing import Final

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.packing import pack, unpack
from shared.records.tokens import Scope, Token, digest, generate, id_of

from .reading import replies

MAX_TOKENS: Final = 1000


async def token(lane: Lane, token_digest: str) -> Token | None:
    """Return the token with this digest, expired or not."""
    record = await lane.one("HGET", keys.TOKENS, token_digest)
    return unpack(record, Token) if record is not None else None


async def tokens(lane: Lane) -> dict[str, Token]:
    """Return every token by its id, oldest first."""
    found = await lane.one("HGETALL", keys.TOKENS)
    records = [(id_of(found[n].decode()), unpack(found[n + 1], Token)) for n in range(0, len(found), 2)]
    return dict(sorted(records, key=lambda pair: (pair[1].created_at, pair[0])))


async def create(lane: Lane, name: str, scope: Scope, expires_at: int = 0) -> tuple[str, Token]:
    """Make a token and return it with its record: the text can't be had again."""
    text = generate()
    seconds, microseconds = await lane.one("TIME")
    now = int(seconds) * 1000 + int(microseconds) // 1000
    record = Token(name=name, scope=scope, created_at=now, expires_at=expires_at)
    await replies(lane, [("HSET", keys.TOKENS, digest(text), pack(record))])
    return text, record


async def revoke(lane: Lane, token_id: str) -> bool:
    """Remove a token by its id; False where there is none."""
    for token_digest in await lane.one("HKEYS", keys.TOKENS):
        if id_of(token_digest.decode()) == token_id:
            return bool(await lane.one("HDEL", keys.TOKENS, token_digest))
    return False
