"""Events as operators see them: every field present, times in ISO-8601, one JSON text made once for all listeners."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from edge.operators.times import iso
from shared.logs import get_logger
from shared.records.events import EVENT_TYPES, VERSION, AnyEvent
from shared.records.queries.events import EventEntry, EventPosition

log = get_logger("feed")


class FeedEvent(NamedTuple):
    """One event, ready to be sent."""

    position: EventPosition
    type: str
    station_id: str
    data: bytes
    """JSON, one line."""


_TIMES: Final[dict[str, tuple[str, ...]]] = {
    name: tuple(field for field in kind.__struct_fields__ if field == "at" or field.endswith("_at"))
    for name, kind in EVENT_TYPES.items()
}
_TAGS: Final[dict[type, str]] = {kind: name for name, kind in EVENT_TYPES.items()}
_typed = msgspec.msgpack.Decoder(AnyEvent)
_untyped = msgspec.msgpack.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


def events_of(entry: EventEntry) -> list[FeedEvent]:
    """Return the events of a stream entry, each with its position; what is no event is passed over."""
    found: list[FeedEvent] = []
    for n, raw in enumerate(entry.events):
        try:
            found.append(_event(EventPosition(entry.ms, entry.seq, n), raw))
        except (msgspec.MsgspecError, TypeError):
            log.warning("no event at this position", position=f"{entry.ms}-{entry.seq}.{n}")
    return found


def _event(position: EventPosition, raw: msgspec.Raw) -> FeedEvent:
    try:
        event = _typed.decode(raw)
    except msgspec.ValidationError:
        # Written by a newer worker: a type or field that this process does not know is passed on as it is.
        data = _untyped.decode(raw)
    else:
        data = {"type": _TAGS[type(event)], **msgspec.structs.asdict(event)}
    kind = str(data.get("type", ""))
    for name in _TIMES.get(kind, ("at",)):
        data[name] = iso(data.get(name, 0))
    body = {"id": data.pop("id", ""), "type": data.pop("type", ""), "version": VERSION, **data}
    return FeedEvent(position, kind, str(data.get("station_id", "")), _encode(body))


def event_schema(kind: type, schema: dict[str, Any]) -> dict[str, Any]:
    """Turn the schema of a stored event into that of the event as it is sent."""
    properties: dict[str, Any] = {
        name: {key: value for key, value in field.items() if key != "default"}
        for name, field in schema["properties"].items()
        if name not in {"id", "type"}
    }
    for name in _TIMES[_TAGS[kind]]:
        properties[name] = {"type": ["string", "null"], "format": "date-time"}
    head = {
        "id": {"type": "string", "description": "The same on redelivery."},
        "type": {"const": _TAGS[kind]},
        "version": {"const": VERSION},
    }
    return {**schema, "properties": {**head, **properties}, "required": [*head, *properties]}
