"""Operators' tokens, read and written: few, and read whole where they are listed."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.bus.clock import ms_of, now_ms
from shared.bus.lane import Lane
from shared.bus.scripts import SWAP_FIELDS
from shared.records.packing import pack, unpack
from shared.records.tokens import Scope, Token, TokenUse, digest, generate, id_of

from .reading import replies

MAX_TOKENS: Final = 1000
EXPIRED_KEPT_MS: Final = 30 * 24 * 3600 * 1000
"""An expired token is listed for so long, and its holder is told that it expired."""
MAX_TRIES: Final = 20


class LastAdmin(Exception):
    """Without this token nobody could administer the system any more."""


class Contended(Exception):
    """Others change tokens all the time."""


async def token(lane: Lane, token_digest: str) -> Token | None:
    """Return the token with this digest, expired or not."""
    record = await lane.one("HGET", keys.TOKENS, token_digest)
    return unpack(record, Token) if record is not None else None


async def token_at(lane: Lane, token_digest: str) -> tuple[Token | None, int]:
    """Return the token with this digest, expired or not, and Redis's time (ms) in the same round trip."""
    record, time = await replies(lane, [("HGET", keys.TOKENS, token_digest), ("TIME",)])
    return unpack(record, Token) if record is not None else None, ms_of(time)


async def tokens(lane: Lane) -> dict[str, Token]:
    """Return every token by its id, oldest first."""
    records = [(id_of(token_digest), record) for token_digest, (_, record) in (await _all(lane)).items()]
    return dict(sorted(records, key=lambda pair: (pair[1].created_at, pair[0])))


async def uses(lane: Lane) -> dict[str, TokenUse]:
    """Return when each token was used last, by its id."""
    found = await lane.one("HGETALL", keys.TOKENS_USED)
    return {found[n].decode(): unpack(found[n + 1], TokenUse) for n in range(0, len(found), 2)}


async def used(lane: Lane, token_id: str, use: TokenUse) -> None:
    """Note that a token was used."""
    await lane.one("HSET", keys.TOKENS_USED, token_id, pack(use))


async def create(lane: Lane, name: str, scope: Scope, expires_at: int = 0) -> tuple[str, Token]:
    """Make a token and return it with its record: the text can't be had again. Long expired ones leave."""
    text = generate()
    now = await now_ms(lane)
    record = Token(name=name, scope=scope, created_at=now, expires_at=expires_at)
    await replies(lane, [("HSET", keys.TOKENS, digest(text), pack(record))])
    stale = [
        token_digest
        for token_digest, (_, one) in (await _all(lane)).items()
        if one.expires_at and one.expires_at + EXPIRED_KEPT_MS < now
    ]
    await _remove(lane, stale)
    return text, record


async def rotate(lane: Lane, token_id: str, overlap_ms: int, expires_at: int = 0) -> tuple[str, Token, Token] | None:
    """Make a token with the name and scope of another, which goes on for `overlap_ms` at most.

    Returns the new text, its record, and the old record as it is now; None where there is no such token, or it has
    expired. Raises `LastAdmin` where the new one would expire and no other admin's token lasts.
    """
    for _ in range(MAX_TRIES):
        known = await _all(lane)
        old_digest = _with_id(known, token_id)
        now = await now_ms(lane)
        if old_digest is None or not known[old_digest][1].valid(now):
            return None
        packed, old = known[old_digest]
        text = generate()
        end = now + overlap_ms
        fresh = Token(name=old.name, scope=old.scope, created_at=now, expires_at=expires_at, replaces=token_id)
        retired = msgspec.structs.replace(
            old, expires_at=min(old.expires_at or end, end), replaced_by=id_of(digest(text))
        )
        expected = [(old_digest, packed)]
        if old.lasting_admin and not fresh.lasting_admin:
            expected.append(_witness(known, old_digest))
        sets = [(old_digest, pack(retired)), (digest(text), pack(fresh))]
        if await _swap(lane, expected, sets, []):
            return text, fresh, retired
    raise Contended


async def revoke(lane: Lane, token_id: str) -> bool:
    """Remove a token by its id; False where there is none. Raises `LastAdmin` for the last admin's that lasts."""
    for _ in range(MAX_TRIES):
        known = await _all(lane)
        found = _with_id(known, token_id)
        if found is None:
            return False
        packed, record = known[found]
        # Two admins who revoke each other at once: the witness of the second is gone.
        expected = [(found, packed), *([_witness(known, found)] if record.lasting_admin else [])]
        if await _swap(lane, expected, [], [found]):
            await lane.one("HDEL", keys.TOKENS_USED, token_id)
            return True
    raise Contended


async def discard(lane: Lane, token_id: str) -> None:
    """Remove a token that nobody was given, whatever it may do."""
    await _remove(lane, [each for each in await _all(lane) if id_of(each) == token_id])


async def _all(lane: Lane) -> dict[str, tuple[bytes, Token]]:
    found = await lane.one("HGETALL", keys.TOKENS)
    return {found[n].decode(): (found[n + 1], unpack(found[n + 1], Token)) for n in range(0, len(found), 2)}


def _with_id(known: dict[str, tuple[bytes, Token]], token_id: str) -> str | None:
    return next((each for each in known if id_of(each) == token_id), None)


def _witness(known: dict[str, tuple[bytes, Token]], leaving: str) -> tuple[str, bytes]:
    """Return another admin's token that lasts, as it is stored; raises `LastAdmin`."""
    for token_digest, (packed, record) in known.items():
        if token_digest != leaving and record.lasting_admin:
            return token_digest, packed
    raise LastAdmin


async def _swap(lane: Lane, expected: list[tuple[str, bytes]], sets: list[tuple[str, bytes]], gone: list[str]) -> bool:
    arguments: list[Any] = [len(expected)]
    arguments += [one for pair in expected for one in pair]
    arguments += [len(sets), *(one for pair in sets for one in pair), *gone]
    return bool(await lane.one(*SWAP_FIELDS.command(keys=[keys.TOKENS], args=arguments)))


async def _remove(lane: Lane, digests: list[str]) -> None:
    if digests:
        await replies(
            lane,
            [("HDEL", keys.TOKENS, *digests), ("HDEL", keys.TOKENS_USED, *map(id_of, digests))],
        )
