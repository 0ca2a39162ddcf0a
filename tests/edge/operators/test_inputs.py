"""Parameters and bodies that are wrong, and what is said of them."""

import pytest

from edge.operators.app import MAX_BODY
from shared.records.queries import cursors
from shared.records.queries.cursors import Position
from tests.edge.operators.stage import Stage


def made_up(*query: object) -> str:
    """Return a cursor that no list has given."""
    return cursors.encode(cursors.fingerprint(*query), Position("nonsense"))


@pytest.mark.parametrize(
    ("path", "name", "message"),
    [
        ("/stations?limt=3", "limt", "is no query parameter here; there are: cursor, firmware, flag, group, limit"),
        ("/stations?limit=0", "limit", "expected `int` >= 1"),
        ("/stations?limit=1001", "limit", "expected `int` <= 1000"),
        ("/stations?limit=many", "limit", "expected `int`"),
        ("/stations?limit=1&limit=2", "limit", "is given twice"),
        ("/stations?state=gone", "state", "invalid enum value"),
        ("/stations?cursor=nonsense", "cursor", "is no cursor"),
        ("/stations?limit=99999999999999999999999", "limit", "is wrong"),
        (f"/connectors?cursor={made_up('connectors', '')}", "cursor", "is no cursor"),
        ("/transactions?from=yesterday", "from", "invalid RFC3339"),
        ("/transactions?from=2026-01-01T00:00:00", "from", "timezone"),
        ("/transactions/abc", "transaction_id", "expected `int`"),
        ("/stations/a:b", "station_id", "regex"),
        ("/events?type=car.flew", "type", "has no event type 'car.flew'"),
        ("/events?after=now", "after", "is no position"),
    ],
)
async def test_a_wrong_parameter_is_named(stage: Stage, path: str, name: str, message: str) -> None:
    """Each wrong parameter is a 400 that says which one and why."""
    status, body = await stage.ask("GET", path)
    assert status == 400, body
    assert body["errors"][0]["name"] == name
    assert message in body["errors"][0]["message"]


async def test_every_wrong_parameter_is_named_at_once(stage: Stage) -> None:
    """Nobody mends one to learn of the next."""
    _, body = await stage.ask("GET", "/stations?limit=x&state=y&z=1")
    assert {error["name"] for error in body["errors"]} == {"limit", "state", "z"}


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"{", 400, None),
        (b"\xff\xfe", 400, None),
        (b"[]", 422, "body"),
        (b"{}", 422, "station_id"),
        (b'{"station_id": "A", "colour": "red"}', 422, "colour"),
        (b'{"station_id": 7}', 422, "station_id"),
        (b'{"station_id": "a/b"}', 422, "station_id"),
        (b'{"station_id": "A", "minimum_profile": 9}', 422, "minimum_profile"),
        (b'{"station_id": "A", "time_zone": "Mars/Base"}', 422, "time_zone"),
        (b'{"station_id": "A", "password": "short"}', 422, "password"),
        (b'{"station_id": "A", "password": "longenough", "make_key": true}', 422, "make_key"),
        (b'{"station_id": "A\xe2\x80\xae"}', 422, "station_id"),
        (b'{"station_id": "A", "quirk_profile": {"x": 1}}', 422, "quirk_profile[...]"),
    ],
)
async def test_a_wrong_body_is_named(stage: Stage, body: bytes, status: int, name: str | None) -> None:
    """No JSON is 400, the wrong form 422 with the field; nothing is asked of a worker."""
    found, problem = await stage.ask("POST", "/stations", data=body, headers={"Content-Type": "application/json"})
    assert found == status, problem
    assert [error["name"] for error in problem["errors"]] == ([name] if name else [])
    assert not stage.node.asked


async def test_another_media_type_is_415(stage: Stage) -> None:
    """A body must say that it is JSON."""
    status, body = await stage.ask("POST", "/stations", data=b"station_id=A")
    assert status == 415
    assert "application/json" in body["detail"]


async def test_a_body_that_is_too_large_is_413(stage: Stage) -> None:
    """Bodies have a limit."""
    big = b'{"station_id": "' + b"x" * MAX_BODY + b'"}'
    status, _ = await stage.ask("POST", "/stations", data=big, headers={"Content-Type": "application/json"})
    assert status == 413


async def test_every_answer_has_the_id_that_the_problem_names(stage: Stage) -> None:
    """A problem can be found in the log."""
    async with stage.http.get(f"{stage.url}/api/v1/stations/none", headers=stage.headers()) as response:
        assert response.status == 404
        body = await response.json()
        assert body["instance"] == f"urn:ampstream:request:{response.headers['X-Request-Id']}"


async def test_a_lost_redis_is_503(stage: Stage) -> None:
    """Without Redis the listener says so, and that one may come again."""
    await stage.get("/stations")
    await stage.lane.close()
    async with stage.http.get(f"{stage.url}/api/v1/stations", headers=stage.headers()) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "2"
    async with stage.http.get(f"{stage.url}/healthz") as response:
        assert response.status == 200
