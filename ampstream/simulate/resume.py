"""What a station still has to report after a restart of the fleet: the ledger's unanswered messages, in order."""

from __future__ import annotations

from collections.abc import Mapping

from ampstream.simulate.backlog import Charging, Item
from ampstream.simulate.ledger import START, STOP, Logical
from ampstream.simulate.reports import meter_request, start_request, stop_request


def pending_items(past: list[Logical], running: Mapping[str, Charging]) -> list[Item]:
    """Return the messages that nobody answered, oldest first; `running` are the sessions that go on, by key."""
    waiting: list[tuple[int, int, Item]] = []
    for logical in past:
        charging = running.get(logical.start.key) or Charging(
            logical.start.key, logical.ids[-1] if logical.ids else None
        )
        for order, what in enumerate(logical.pending()):
            at, item = _item(logical, charging, what)
            waiting.append((at, order, item))
    waiting.sort(key=lambda entry: entry[:2])
    return [item for _, _, item in waiting]


def _item(logical: Logical, charging: Charging, what: str) -> tuple[int, Item]:
    start = logical.start
    if what == START:
        return start.at, Item(charging, what, start_request(start))
    if what == STOP and logical.stop is not None:
        return logical.stop.at, Item(charging, what, stop_request(logical.stop, start.id_tag))
    meter = logical.meters[int(what)]
    return meter.at, Item(charging, what, meter_request(meter, start.connector))
