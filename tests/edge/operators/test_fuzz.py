"""Every operation with values from a bag of good and nasty ones: never a fault of ours, always a declared answer."""

import json
import random
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest

from edge.operators.resources import ROUTES
from edge.operators.routes import PREFIX, Route
from shared.records.stations import ConnectorRecord, SessionRecord
from tests.edge.operators.stage import T0, Stage, transaction
from tests.edge.operators.test_quarantine import frame

ROUNDS = 25
TEXTS = [
    *("CP1", "1", "0", "-1", "2147483648", "1e3", "null", "true", "false", "", " ", "a/b", "a:b", "{}", "%", "%00"),
    *("\u202e", "ü" * 60, "x" * 2000, "open", "closed", "online", "csv", "json", "accepted", "blocked", "TAG1", "*"),
    *("2026-01-01T00:00:00Z", "2026-01-01", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0-1767225600001-0"),
    *("5-1.2", "gA", "k84AAAABkqNDUDEA", "transaction.*", "station.booted", "..", "'\"", "=1+1", "\n", "\x00"),
]
VALUES: list[Any] = [*TEXTS, None, True, 0, 1, -1, 3, 10**30, 1.5, [], {}, [1], {"a": "b"}, {"a": 1}]


def some_path(route: Route, rng: random.Random) -> str:
    path = route.path.removeprefix(PREFIX)
    for place in route.places:
        # A path without the segment, or with a dot segment, is another path.
        texts = [text for text in TEXTS if text not in {"", "..", "."}]
        path = path.replace(f"{{{place}}}", quote(rng.choice(["CP1", "1", "TAG1", rng.choice(texts)]), safe=""))
    fields = [
        field.encode_name for field in msgspec.structs.fields(route.params) if field.encode_name not in route.places
    ]
    query = {name: rng.choice(TEXTS) for name in rng.sample(fields, rng.randint(0, min(3, len(fields))))}
    return path + (f"?{urlencode(query)}" if query else "")


def some_body(route: Route, rng: random.Random) -> dict[str, Any]:
    if route.body_media == "text/csv":
        lines = [",".join(rng.choice(TEXTS) for _ in range(3)) for _ in range(4)]
        text = "\n".join(["id_tag,status,note", *lines])
        return {"data": text.encode(), "headers": {"Content-Type": "text/csv"}}
    if route.body is None:
        return {}
    names = [field.name for field in msgspec.structs.fields(route.body)]
    value: Any = {name: rng.choice(VALUES) for name in rng.sample(names, rng.randint(0, len(names)))}
    if rng.random() < 0.1:
        value = rng.choice(VALUES)
    return {"data": json.dumps(value).encode(), "headers": {"Content-Type": "application/json"}}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_whatever_comes_is_answered_as_declared(stage: Stage, route: Route) -> None:
    """Good or bad, the answer is one that the document declares, and none is a fault of ours."""
    rng = random.Random(route.path)
    await stage.station("CP1", session=SessionRecord(connection="open", opened_at=T0))
    await stage.connectors("CP1", ConnectorRecord(connector_id=1, status="Charging"))
    await stage.transactions(transaction(1), transaction(2, state="open"))
    await stage.quarantine(frame(1))
    await stage.ask("POST", "/tags", json={"id_tag": "TAG1"})
    for _ in range(ROUNDS):
        path = some_path(route, rng)
        if route.path.endswith("/events"):
            path += "&nonsense=1" if "?" in path else "?nonsense=1"  # A good one would stream for ever.
        # `ask` checks the answer against the document.
        status, body = await stage.ask(route.method, path, **some_body(route, rng))
        assert status < 500, (route.method, path, body)
