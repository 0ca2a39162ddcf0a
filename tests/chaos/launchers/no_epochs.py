"""Takes the epoch out of what edges say about a closed socket: an old one's end counts as the station's."""

from __future__ import annotations

import msgspec

from shared.envelopes import SessionClosed
from workers.services import sessions
from workers.store.draft import Draft


def apply() -> None:
    """Let every end of a socket be that of the newest."""
    ordinary = sessions.closed

    def closed(draft: Draft, body: SessionClosed) -> None:
        draft.origin = msgspec.structs.replace(draft.origin, epoch=draft.session.epoch)
        ordinary(draft, body)

    sessions.closed = closed
