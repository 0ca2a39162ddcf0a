"""Jobs over the API: checked at once, made once, listed, changed; their stations page by page."""

from typing import Any

import msgspec
import pytest

from shared.bus import keys
from shared.records.jobs import JobResult, command_id
from shared.records.packing import pack
from shared.records.stations import SessionRecord, StationRecord
from tests.edge.operators.stage import T0, Stage

RESET: dict[str, Any] = {"action": "Reset", "payload": {"type": "Soft"}}
OPEN = SessionRecord(connection="open", opened_at=T0, subprotocol="ocpp1.6")


async def make(stage: Stage, *, status: int = 201, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    """Make a job and return the answer's body."""
    found, body = await stage.ask("POST", "/jobs", json={**RESET, **fields}, headers=headers or {})
    assert found == status, body
    return body


async def test_a_job_is_made_of_named_stations(stage: Stage) -> None:
    """201 and the job with the settings' limits; each station once, all of them waiting, and it is told."""
    for n in range(3):
        await stage.station(f"CP{n}")
    job = await make(stage, stations=["CP2", "CP0", "CP2"], name="again", expires_in_s=60)
    assert list(job) == [
        "id", "kind", "name", "action", "payload", "filter", "state", "total", "ended", "progress", "outcomes",
        "concurrency", "rate_per_s", "jitter_s", "created_at", "created_by", "changed_at", "changed_by", "expires_at",
        "ended_at",
    ]  # fmt: skip
    assert (job["state"], job["total"], job["filter"], job["created_by"]) == ("running", 2, None, "test")
    assert (job["concurrency"], job["rate_per_s"], job["jitter_s"]) == (50, 10.0, 1.0)
    assert job["progress"] == {"waiting": 2, "offline": 0, "active": 0, "queued": 0}
    stations = await stage.all_of(f"/jobs/{job['id']}/results", limit=1)
    assert [(one["station_id"], one["outcome"]) for one in stations] == [("CP0", "waiting"), ("CP2", "waiting")]
    assert await stage.get(f"/jobs/{job['id']}") == job
    assert await stage.lane.one("TTL", keys.job_stations(job["id"])) == -1
    (entry,) = await stage.lane.one("XRANGE", keys.EVENTS, "-", "+")
    assert msgspec.msgpack.decode(entry[1][1])[0]["type"] == "job.created"


async def test_a_job_is_made_of_a_filter(stage: Stage) -> None:
    """Every way to filter the list of stations chooses a job's stations too; an empty filter is the whole fleet."""
    await stage.station("A1", vendor="Acme", model="M1", group="north", firmware="1.0", registration="accepted")
    await stage.station("A2", vendor="Acme", model="M2", group="south", firmware="1.1", flags={"unit:x": T0})
    await stage.station("B1", vendor="Bolt", session=OPEN)
    wanted: list[tuple[dict[str, str], int]] = [
        ({}, 3), ({"q": "A"}, 2), ({"vendor": "acme"}, 2), ({"model": "m2"}, 1), ({"group": "North"}, 1),
        ({"firmware": "1.1"}, 1), ({"registration": "accepted"}, 1), ({"state": "online"}, 1), ({"flag": "unit"}, 1),
        ({"vendor": "Acme", "group": "south"}, 1),
    ]  # fmt: skip
    for wanted_filter, total in wanted:
        job = await make(stage, filter=wanted_filter)
        assert (job["filter"], job["total"]) == (wanted_filter, total)
        assert len(await stage.all_of("/stations", **wanted_filter)) == total


async def test_a_filter_over_many_stations(stage: Stage) -> None:
    """Stations beyond one page of records are there too, each with its own place in the order."""
    names = [f"CP{n:04}" for n in range(1201)]
    for begin in range(0, len(names), 100):
        await stage.write(
            *(command for name in names[begin : begin + 100] for command in _station(name)),
        )
    job = await make(stage, filter={"vendor": "Acme"})
    assert job["total"] == 1200
    order = await stage.lane.one("ZRANGE", keys.job_place(job["id"], "waiting"), 0, -1)
    assert sorted(order) == [name.encode() for name in names if name != "CP0007"]
    assert order != sorted(order)


def _station(name: str) -> list[tuple[Any, ...]]:
    record = StationRecord(station_id=name, created_at=T0, vendor="Other" if name == "CP0007" else "Acme")
    return [("HSET", keys.state(name), "v", "1", "st", pack(record)), ("ZADD", keys.STATIONS, 0, name)]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "stations"),
    ({"stations": ["CP1"], "filter": {}}, "stations"),
    ({"stations": []}, "stations"),
    ({"stations": ["CP1", "CP1", "NONE"]}, "stations[2]"),
    ({"stations": ["a/b"]}, "stations[0]"),
    ({"filter": {"vendor": "nobody"}}, "filter"),
    ({"filter": {"colour": "red"}}, "filter.colour"),
    ({"filter": {}, "action": "Rest"}, "action"),
    ({"filter": {}, "action": ""}, "action"),
    ({"filter": {}, "payload": {"type": "Gently"}}, "payload.type"),
    ({"filter": {}, "concurrency": 0}, "concurrency"),
    ({"filter": {}, "concurrency": 501}, "concurrency"),
    ({"filter": {}, "rate_per_s": 0}, "rate_per_s"),
    ({"filter": {}, "rate_per_s": 100.5}, "rate_per_s"),
    ({"filter": {}, "jitter_s": 1e9}, "jitter_s"),
    ({"filter": {}, "expires_in_s": 0}, "expires_in_s"),
    ({"filter": {}, "kind": "dance"}, "kind"),
    ({"filter": {}, "kind": "read_configuration"}, "action"),
    ({"filter": {}, "kind": "read_configuration", "action": ""}, "payload"),
    ({"filter": {}, "kind": "apply_templates", "payload": {}}, "action"),
    ({"filter": {}, "kind": "apply_templates", "action": ""}, "payload"),
    ({"filter": {}, "kind": "apply_templates", "action": "", "payload": {"retry": 1}}, "payload"),
]


@pytest.mark.parametrize(("fields", "name"), WRONG)
async def test_what_is_wrong_is_named(stage: Stage, fields: dict[str, Any], name: str) -> None:
    """422 that names the field, and nothing is made."""
    await stage.station("CP1")
    body = await make(stage, status=422, **fields)
    assert [error["name"] for error in body["errors"]] == [name]
    assert await stage.lane.one("KEYS", "j:*") == []


async def test_the_same_key_makes_one_job(stage: Stage) -> None:
    """Asked again with its Idempotency-Key, 200 and the first job; a key that is none is refused."""
    await stage.station("CP1")
    headers = {"Idempotency-Key": "key-of-the-job"}
    first = await make(stage, filter={}, headers=headers)
    again = await make(stage, filter={}, headers=headers, status=200)
    assert again["id"] == first["id"]
    assert len(await stage.all_of("/jobs")) == 1
    await make(stage, filter={}, headers={"Idempotency-Key": "x"}, status=400)


async def test_pause_resume_cancel(stage: Stage) -> None:
    """Each is done once however often it is asked; after a cancel neither of the others is possible."""
    await stage.station("CP1")
    job = await make(stage, filter={}, paused=True)
    path = f"/jobs/{job['id']}"
    steps = [("pause", "paused"), ("resume", "running"), ("resume", "running"), ("pause", "paused"),
             ("cancel", "cancelled"), ("cancel", "cancelled")]  # fmt: skip
    for what, state in steps:
        status, body = await stage.ask("POST", f"{path}/{what}")
        assert (status, body["state"], body["changed_by"]) == (200, state, "test")
    for what in ("pause", "resume"):
        status, body = await stage.ask("POST", f"{path}/{what}")
        assert (status, body["detail"]) == (409, "the job is cancelled")
    assert await stage.lane.one("XLEN", keys.EVENTS) == 4
    assert [one["id"] for one in await stage.all_of("/jobs", state="cancelled")] == [job["id"]]
    assert await stage.all_of("/jobs", state="done") == []


async def test_jobs_that_send_no_command(stage: Stage) -> None:
    """Kind and payload are the job's; a station that was begun has no command of the job's id."""
    await stage.station("CP1")
    read = await make(stage, filter={}, kind="read_configuration", action="", payload={})
    assert (read["kind"], read["action"], read["payload"]) == ("read_configuration", "", {})
    applied = await make(stage, filter={}, kind="apply_templates", action="", payload={"retry": True})
    assert (applied["kind"], applied["payload"]) == ("apply_templates", {"retry": True})
    await stage.write(
        ("ZREM", keys.job_place(read["id"], "waiting"), "CP1"), ("ZADD", keys.job_place(read["id"], "active"), 0, "CP1")
    )
    (one,) = await stage.all_of(f"/jobs/{read['id']}/results")
    assert (one["outcome"], one["command_id"]) == ("active", None)


async def test_results_by_outcome(stage: Stage) -> None:
    """Stations that ended and those that have not, each under its word; what is not counted yet is shown too."""
    for n in range(4):
        await stage.station(f"CP{n}")
    job = await make(stage, filter={})
    counted = JobResult(outcome="rejected", at=T0, command_id=command_id(job["id"], "CP1"), detail="Rejected")
    await stage.write(
        ("HSET", keys.job_results(job["id"]), "CP1", pack(counted)),
        ("HSET", keys.job_ended(job["id"]), "CP2", pack(JobResult(outcome="accepted", at=T0))),
        ("ZREM", keys.job_place(job["id"], "waiting"), "CP1", "CP3"),
        ("ZADD", keys.job_place(job["id"], "active"), 0, "CP3"),
    )
    path = f"/jobs/{job['id']}/results"
    found = {one["station_id"]: one["outcome"] for one in await stage.all_of(path)}
    assert found == {"CP0": "waiting", "CP1": "rejected", "CP2": "accepted", "CP3": "active"}
    (one,) = await stage.all_of(path, outcome="rejected")
    assert (one["command_id"], one["detail"]) == (counted.command_id, "Rejected")
    assert one["ended_at"] == "2026-01-01T00:00:00.000Z"
    (one,) = await stage.all_of(path, outcome="active")
    assert one["command_id"] == command_id(job["id"], "CP3")
    assert (await stage.ask("GET", path, params={"outcome": "lost"}))[0] == 400


async def test_who_may(stage: Stage) -> None:
    """Reading needs `read`, changing `operate`; a job that is none is 404 everywhere."""
    await stage.station("CP1")
    reader = await stage.make_token("read")
    assert (await stage.ask("POST", "/jobs", json={**RESET, "filter": {}}, token=reader))[0] == 403
    assert (await stage.ask("GET", "/jobs", token=reader))[0] == 200
    for path in ("GET ", "GET /results", "POST /pause", "POST /resume", "POST /cancel"):
        method, _, rest = path.partition(" ")
        assert (await stage.ask(method, f"/jobs/none{rest}"))[0] == 404


async def test_passwords_are_not_shown(stage: Stage) -> None:
    """A key that a job sets at many stations is masked like that of one command."""
    await stage.station("CP1")
    payload = {"key": "AuthorizationKey", "value": "00112233445566778899AABBCCDDEEFF00112233"}
    job = await make(stage, filter={}, action="ChangeConfiguration", payload=payload)
    assert job["payload"] == {"key": "AuthorizationKey", "value": "***"}
