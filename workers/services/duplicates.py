"""Calls and requests that must not count twice: the kept answer is given again.

For CALLs this matters only for actions with neither business key nor idempotent effect, on one connection, within
twice the call timeout (docs/architecture.md). Stations reuse message ids, so the payload is compared too.
"""

from __future__ import annotations

import hashlib
from typing import Final

from shared.bus import keys
from workers.store.draft import Draft
from workers.store.wants import WantSeen

_REQUESTS_KEPT_MS: Final = 600_000
"""Operators' requests are redelivered within seconds; ten minutes cover a worker that was paused."""


def digest(epoch: int, message_id: str, payload: bytes) -> str:
    """Return what names a CALL on its connection."""
    head = f"{epoch}\n{message_id}\n".encode()
    return hashlib.blake2b(head + payload, digest_size=16).hexdigest()


def request_digest(request_id: str) -> str:
    """Return what names an operator's request."""
    return hashlib.blake2b(request_id.encode(), digest_size=16, person=b"request").hexdigest()


def kept(draft: Draft, name: str) -> bytes | None:
    """Return the answer that was given before, or None."""
    found: bytes | None = draft.get(WantSeen(name))
    return found


def keep_answer(draft: Draft, name: str, answer: bytes) -> None:
    """Keep the answer to a CALL for twice the call timeout."""
    _keep(draft, name, answer, 2 * draft.policy.call_timeout_ms)


def keep_reply(draft: Draft, name: str, reply: bytes) -> None:
    """Keep the reply to an operator's request."""
    _keep(draft, name, reply, _REQUESTS_KEPT_MS)


def _keep(draft: Draft, name: str, value: bytes, ttl_ms: float) -> None:
    draft.write("SET", keys.seen(draft.station_id, name), value, "PX", round(ttl_ms))
