"""Restores a station after a probe: the probe's profiles are taken off, then the wanted ones put back, one by one.

Clearing and setting a profile twice does no harm, so what nobody knows the fate of is done again; a station that left
finds the rest of it in its queue when it is back. What the station refuses is not tried for ever: it is told.
"""

from __future__ import annotations

from typing import Final

import msgspec

from shared.records.commands import CommandRecord
from shared.records.probes import ORIGIN, Criteria, Exchange, Run
from workers.services import commands
from workers.services.smartcharging import assigning
from workers.services.smartcharging.words import words_of
from workers.store.draft import Draft

from . import concluding

WAITS_MS: Final = 365 * 24 * 3600 * 1000
"""A station that left is waited for so long."""
MAX_TRIES: Final = 3
"""So often an item is sent to a station that is there and does not answer."""
MAX_LEAVES: Final = 100
"""So often in all a station may leave in the middle of it."""
change = msgspec.structs.replace


def go_on(draft: Draft) -> None:
    """Send the next item, or conclude."""
    run, words = draft.probing.run, words_of(draft.session.subprotocol)
    assert run is not None
    slot = "" if run.to_clear else assigning.waiting(draft)
    if words is None or not (run.to_clear or slot):
        left = (slot,) if slot else ()  # It came back with a version whose profiles are not served.
        concluding.conclude(draft, change(run, not_put_back=(*run.not_put_back, *left)))
        return
    if run.to_clear:
        message = words.clear_where(Criteria(profile_id=run.to_clear[0] or None))
    else:
        message = words.install(draft.limits.by_slot[slot].profile)
    action, payload = message
    command_id = commands.enqueue(draft, action, payload, ORIGIN, expires_at=draft.now + WAITS_MS)
    if slot:
        assigning.sent_again(draft, slot, command_id)
    pending = Exchange(
        check="restore",
        step=slot,
        action=action,
        payload=msgspec.json.encode(payload).decode(),
        command_id=command_id,
        at=draft.now,
    )
    draft.put(change(draft.probing, run=change(run, pending=pending, putting_back=slot)))


def answered(draft: Draft, run: Run, exchange: Exchange, command: CommandRecord) -> None:
    """Take the end of an item: it is done, or sent again."""
    left = command.epoch != draft.session.epoch or draft.session.connection != "open"
    tries, leaves = run.tries + (not left), run.losses + left
    if exchange.outcome == "lost" and tries < MAX_TRIES and leaves < MAX_LEAVES:
        if run.putting_back:
            assigning.sent_again(draft, run.putting_back, "")
        _put(draft, change(run, tries=tries, losses=leaves))
        return
    run = change(run, tries=0, losses=leaves if exchange.outcome == "lost" else run.losses)
    if run.to_clear:
        _put(draft, change(run, to_clear=run.to_clear[1:]))
        return
    slot = run.putting_back
    if exchange.outcome == "accepted":
        run = change(run, put_back=(*run.put_back, slot))
    else:
        run = change(run, not_put_back=(*run.not_put_back, slot))
    _put(draft, change(run, putting_back=""))
    assigning.ended(draft, command)


def _put(draft: Draft, run: Run) -> None:
    draft.put(change(draft.probing, run=run))
