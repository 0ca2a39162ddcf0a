"""`docs/api.md` and `docs/events.md`: the operators' API and the list of event types, from the code."""

from __future__ import annotations

import inspect
from itertools import groupby
from typing import Any

import msgspec

from edge.operators.openapi import document
from edge.operators.problems import KINDS
from edge.operators.resources import ROUTES
from shared.records.events import EVENT_TYPES, VERSION

_API_HEAD = """\
# The operators' API

Generated from the table of routes in `edge/operators/resources/`. The listener serves the whole of it, types included,
as OpenAPI 3.1 at `/openapi.json`.

- Under `/api/v1`, with `Authorization: Bearer amp_...`. Scopes: `operate` covers `read`, `admin` covers both.
- Lists answer `{"items": [...], "next": cursor or null}`; give `next` as `cursor`. A page may be short, even empty, and
  go on. What is inserted meanwhile shifts nothing.
- Times are ISO-8601 in UTC, energy is integer Wh.
- A change of a station is answered once a worker has committed it. 504 says that nobody knows: repeat it with the
  header `Idempotency-Key` that the answer gives, and it is carried out once.
- An unknown parameter or field is an error that names it.
"""
_EVENTS_HEAD = """\
# Events

Generated from `shared/records/events/`, version {version} of the list. A type or field may be added under the same
version; a changed meaning raises it.

`GET /api/v1/events` sends them as server-sent events:

    id: 1767225600000-3.0
    event: transaction.started
    data: {{"id": "CP1:1767225599000:17:0", "type": "transaction.started", "version": 1, "station_id": "CP1", ...}}

- `id:` is the position in the stream; a reader resumes from it with `Last-Event-ID`, or `?after=` (`0`: the oldest).
- Each event is delivered at least once; the `id` in its body is the same on redelivery.
- Events of a station come in the order of what it reported, but for one case: what a worker had committed and not yet
  published when it died comes when another takes over, seconds later. `at` tells the order.
- `event: gap` with `{{"type": "gap", "after": position, "first": position}}` says that events were lost to the reader:
  it was behind the retention (`AMPSTREAM_EVENT_RETENTION_S`, `AMPSTREAM_EVENT_MAX_BYTES`), or the stream began anew.
  It may also come where the last event that the reader saw was the last that was trimmed.
- Filters: `type` (comma separated, `transaction.*` for a group), `station_id`.

Every event has `id`, `type`, `version`, `station_id` and `at` (when Ampstream took it in); every field is always there.

| type | meaning | fields |
|---|---|---|
"""


def api() -> str:
    """Return `docs/api.md`."""
    lines = [_API_HEAD]
    described = {tag["name"]: tag["description"] for tag in document(ROUTES)["tags"]}
    order = list(described)
    for section, routes in groupby(sorted(ROUTES, key=lambda route: order.index(route.section)), lambda r: r.section):
        lines += [f"## {section.capitalize()}", "", described[section], ""]
        lines += ["| operation | what it does | scope | parameters |", "|---|---|---|---|"]
        lines += [_operation(route) for route in routes]
        lines.append("")
    lines += ["## Problems", "", "Errors are `application/problem+json`; `type` is `urn:ampstream:problem:<name>`.", ""]
    lines += ["| name | status | title |", "|---|---|---|"]
    lines += [f"| `{name}` | {kind.status} | {kind.title} |" for name, kind in KINDS.items()]
    return "\n".join(lines) + "\n"


def _operation(route: Any) -> str:
    query = [
        field.encode_name for field in msgspec.structs.fields(route.params) if field.encode_name not in route.places
    ]
    parameters = ", ".join(f"`{name}`" for name in query) or "-"
    words = " ".join(route.description.split())
    return f"| `{route.method} {route.path}` | {words} | {route.scope} | {parameters} |"


def events() -> str:
    """Return `docs/events.md`."""
    lines = [_event(name, kind) for name, kind in EVENT_TYPES.items()]
    return _EVENTS_HEAD.format(version=VERSION) + "\n".join(lines) + "\n"


def _event(name: str, kind: type) -> str:
    meaning = " ".join((inspect.getdoc(kind) or "").split())
    fields = [field for field in msgspec.structs.fields(kind) if field.name not in {"id", "station_id", "at"}]
    return f"| `{name}` | {meaning} | {', '.join(f'`{field.name}`' for field in fields) or '-'} |"
