"""Stations as operators see and change them."""

from typing import Any

import msgspec
import pytest

from edge.operators.models.stations import last_seen
from shared import credentials, presence
from shared.bus import keys
from shared.envelopes import Reply
from shared.records.commands import CommandRecord, Commands, CommandState, Outstanding, Queued
from shared.records.history import Fact
from shared.records.packing import pack
from shared.records.queries.stations import StationNow
from shared.records.requests import CreateStation, DeleteStation, Disconnect, Request, UpdateStation
from shared.records.stations import ConnectorRecord, Door, SessionRecord, StationRecord
from shared.settings import Settings
from tests.edge.operators.stage import T0, Stage

OPEN = SessionRecord(epoch=T0, node="edge-1", subprotocol="ocpp1.6", connection="open", opened_at=T0)
ISSUE_FIELDS = {
    *("station_id", "state", "protocol", "vendor", "model", "firmware", "last_seen_at", "registration", "flags"),
}


async def test_a_station_shows_what_it_is(stage: Stage) -> None:
    """Every field that an operator relies on is there, connectors and settings beside it."""
    await stage.station(
        "CP1", session=OPEN, vendor="Acme", model="X1", firmware="1.2", registration="accepted",
        booted_at=T0 + 5, flags={"overlong:idTag": T0 + 7},
    )  # fmt: skip
    await stage.connectors("CP1", ConnectorRecord(connector_id=1, status="Charging", reported_at=T0 + 9))
    await stage.write(("HSET", keys.door("CP1"), "key", "b2$x", "ping", "0"))
    found = await stage.get("/stations/CP1")
    assert set(found) >= ISSUE_FIELDS
    assert (found["state"], found["protocol"], found["firmware"]) == ("online", "ocpp1.6", "1.2")
    assert found["flags"] == ["overlong:idTag"]
    assert found["flagged_at"] == {"overlong:idTag": "2026-01-01T00:00:00.007Z"}
    assert found["booted_at"] == "2026-01-01T00:00:00.005Z"
    assert found["last_seen_at"] == "2026-01-01T00:00:00.000Z"
    assert found["connectors"][0]["status"] == "Charging"
    assert found["settings"]["has_key"]
    assert not found["settings"]["ping"]
    assert "b2$x" not in str(found)


@pytest.mark.parametrize(
    ("session", "alive", "state"),
    [
        (None, False, "never_seen"),
        (OPEN, False, "online"),
        (msgspec.structs.replace(OPEN, connection="reconnecting", closed_at=T0 + 1), True, "online"),
        (msgspec.structs.replace(OPEN, connection="reconnecting", closed_at=T0 + 1), False, "offline"),
        (msgspec.structs.replace(OPEN, connection="closed", closed_at=T0 + 1), True, "offline"),
    ],
)
async def test_the_state_follows_session_and_presence(
    stage: Stage, session: SessionRecord | None, alive: bool, state: str
) -> None:
    """Online is an open session, or one that Ampstream closed while the presence lives."""
    await stage.station("CP1", session=session)
    if alive:
        await stage.write(("SET", keys.presence("CP1"), "edge-1/1", "PX", 60_000))
    assert (await stage.get("/stations/CP1"))["state"] == state
    assert [one["station_id"] for one in await stage.all_of("/stations", state=state)] == ["CP1"]


def test_last_seen_is_what_is_left_of_the_presence(settings: Settings) -> None:
    """A touch fills the TTL: what is missing of it is how long ago the touch was."""
    record = StationRecord(station_id="A", created_at=1, heartbeat_interval_s=300)
    whole, by_ping = presence.ttl_ms(300, settings), presence.ttl_ms(settings.ping_interval_s, settings)

    def seen(left: int, **door: str) -> int:
        found = StationNow(station=record, session=OPEN, presence_ttl_ms=left, read_at=T0 + 900_000, door=Door(**door))
        return last_seen(found, settings) - T0

    assert seen(by_ping - 4000) == 896_000
    assert seen(whole - 4000) == 896_000
    assert seen(by_ping - 4000, ping="0") == 900_000 - (whole - by_ping + 4000)
    assert seen(0) == 0


async def test_lists_are_in_order_and_filtered(stage: Stage) -> None:
    """Filters narrow the list, pages go through it in the order of the ids."""
    for n in range(25):
        await stage.station(
            f"CP{n:02}", vendor="Acme" if n % 2 else "Volt", model=f"M{n % 3}", group="north" if n < 5 else "",
            flags={"zone": 1} if n == 7 else {}, session=OPEN if n % 5 == 0 else None,
        )  # fmt: skip
    ids = [one["station_id"] for one in await stage.all_of("/stations", limit=7)]
    assert ids == [f"CP{n:02}" for n in range(25)]

    async def found(**wanted: Any) -> list[int]:
        return [int(one["station_id"][2:]) for one in await stage.all_of("/stations", limit=3, **wanted)]

    assert await found(vendor="acme") == list(range(1, 25, 2))
    assert await found(vendor="Volt", model="M0") == [0, 6, 12, 18, 24]
    assert await found(state="online") == [0, 5, 10, 15, 20]
    assert await found(state="never_seen", group="NORTH") == [1, 2, 3, 4]
    assert await found(flag="zone") == [7]
    assert await found(q="CP1") == list(range(10, 20))
    assert await found(q="XX") == []


async def test_a_cursor_is_good_for_its_own_filters_only(stage: Stage) -> None:
    """A cursor of one list is refused by another instead of skipping some of it."""
    for n in range(4):
        await stage.station(f"CP{n}", vendor="Acme")
    cursor = (await stage.get("/stations", params={"limit": 2}))["next"]
    status, body = await stage.ask("GET", "/stations", params={"vendor": "Acme", "cursor": cursor})
    assert status == 400
    assert "other filters" in body["detail"]


async def test_connectors_of_the_fleet_by_status(stage: Stage) -> None:
    """The fleet's connectors come by station and number, page after page, none twice."""
    for n in range(6):
        await stage.station(f"CP{n}")
        await stage.connectors(
            f"CP{n}",
            *(ConnectorRecord(connector_id=c, status="Charging" if c == n % 3 else "Available") for c in range(3)),
        )
    found = await stage.all_of("/connectors", limit=4)
    assert [(one["station_id"], one["connector_id"]) for one in found] == [
        (f"CP{n}", c) for n in range(6) for c in range(3)
    ]
    charging = await stage.all_of("/connectors", limit=1, status="Charging")
    assert [(one["station_id"], one["connector_id"]) for one in charging] == [(f"CP{n}", n % 3) for n in range(6)]
    assert len((await stage.get("/stations/CP3/connectors"))["items"]) == 3


async def test_an_unknown_station_is_404(stage: Stage) -> None:
    """What is not there is said not to be there."""
    for path in ("", "/connectors", "/commands", "/meter-values"):
        assert (await stage.ask("GET", f"/stations/none{path}"))[0] == 404


async def test_an_id_is_percent_decoded_once(stage: Stage) -> None:
    """Identities may hold what a path may not."""
    await stage.station("CP 1%20ü")
    status, body = await stage.ask("GET", "/stations/CP%201%2520%C3%BC")
    assert (status, body["station_id"]) == (200, "CP 1%20ü")


async def store_key(stage: Stage, station_id: str, request: Request) -> None:
    """Write a request's key to the station's door, as its commit does."""
    assert isinstance(request, (CreateStation, UpdateStation))
    await stage.write(("HSET", keys.door(station_id), "key", request.key_hash or ""))


async def test_creating_asks_a_worker_and_shows_the_result(stage: Stage) -> None:
    """The request on the uplink holds the hashed key and who asked; the answer shows the key once."""
    stage.node.before_answer = lambda station_id, request: store_key(stage, station_id, request)
    await stage.station("CP9", name="Gate")
    body = {"station_id": "CP9", "make_key": True, "boot_policy": "pending", "time_zone": "Europe/Berlin"}
    status, found = await stage.ask("POST", "/stations", json=body)
    assert (status, found["name"], len(found["key"])) == (201, "Gate", 40)
    ((_, asked),) = stage.node.asked
    assert isinstance(asked, CreateStation)
    assert (asked.by, asked.boot_policy, asked.time_zone) == ("test", "pending", "Europe/Berlin")
    pepper = await credentials.load_pepper(stage.lane)
    assert credentials.verify(found["key"].encode(), asked.key_hash, pepper)
    assert "key" not in await stage.get("/stations/CP9")


async def test_a_key_that_is_not_the_stations_is_not_shown(stage: Stage) -> None:
    """A repeated request is carried out once, with the first try's key: the second try's would open nothing."""
    await stage.station("CP9")
    status, body = await stage.ask("POST", "/stations/CP9/key", json={}, headers={"Idempotency-Key": "once-only"})
    assert (status, body["type"]) == (409, "urn:ampstream:problem:conflict")
    stage.node.before_answer = lambda station_id, request: store_key(stage, station_id, request)
    assert len((await stage.ask("POST", "/stations/CP9/key", json={}))[1]["key"]) == 40


async def test_a_chosen_password_is_stored_slowly_and_never_shown(stage: Stage) -> None:
    """A person's password gets a slow hash; a 40-digit hex key a fast one."""
    await stage.station("CP9")
    status, found = await stage.ask("POST", "/stations/CP9/key", json={"password": "correct horse"})
    assert (status, found["key"]) == (200, None)
    assert "correct horse" not in str(found)
    await stage.ask("POST", "/stations/CP9/key", json={"password": "ab" * 20})
    slow, fast = (request.key_hash for _, request in stage.node.asked if isinstance(request, UpdateStation))
    assert credentials.is_slow(slow or "")
    assert not credentials.is_slow(fast or "")


async def test_a_change_names_only_what_is_given(stage: Stage) -> None:
    """PATCH leaves alone what is absent, and null gives the boot policy back to the fleet."""
    await stage.station("CP9")
    assert (await stage.ask("PATCH", "/stations/CP9", json={"name": "", "boot_policy": None}))[0] == 200
    (_, request), = stage.node.asked  # fmt: skip
    assert isinstance(request, UpdateStation)
    assert (request.name, request.boot_policy, request.group, request.ping) == ("", "", None, None)
    assert (await stage.ask("PATCH", "/stations/CP9", json={}))[0] == 422


async def test_delete_and_disconnect(stage: Stage) -> None:
    """Both are asked of a worker; `force` goes along."""
    await stage.station("CP9")
    assert (await stage.ask("POST", "/stations/CP9/disconnect"))[0] == 202
    assert (await stage.ask("DELETE", "/stations/CP9?force=true"))[0] == 204
    disconnect, delete = (request for _, request in stage.node.asked)
    assert isinstance(disconnect, Disconnect)
    assert isinstance(delete, DeleteStation)
    assert delete.force


@pytest.mark.parametrize(("status", "kind"), [(404, "not_found"), (409, "conflict")])
async def test_a_workers_refusal_is_passed_on(stage: Stage, status: int, kind: str) -> None:
    """The reason that a worker gives reaches the operator."""
    stage.node.answer = lambda _, request: Reply(request.request_id, status, b'{"detail": "because"}')
    found, body = await stage.ask("POST", "/stations/CP9/disconnect")
    assert (found, body["type"], body["detail"]) == (status, f"urn:ampstream:problem:{kind}", "because")


async def test_no_reply_in_time_says_that_the_outcome_is_unknown(stage: Stage) -> None:
    """Nobody is told that nothing happened; the key with which to repeat it safely is given."""
    stage.node.silent = True
    status, body = await stage.ask("POST", "/stations/CP9/disconnect")
    assert status == 504
    assert stage.node.asked[0][1].request_id in body["detail"]
    await stage.ask("POST", "/stations/CP9/disconnect", headers={"Idempotency-Key": "my-own-key-1"})
    assert stage.node.asked[1][1].request_id == "my-own-key-1"
    status, _ = await stage.ask("PATCH", "/stations/CP9", json={"name": "x"}, headers={"Idempotency-Key": "no spaces"})
    assert status == 400


async def test_the_history_of_a_station_newest_first(stage: Stage) -> None:
    """Security events and late facts can be read, page by page."""
    await stage.station("CP1")
    facts = [Fact(kind="security_event", received_at=T0 + n, late=n == 2, data={"n": n}) for n in range(5)]
    await stage.write(*(("XADD", keys.history("CP1"), "*", "h", pack(fact)) for fact in facts))
    found = await stage.all_of("/stations/CP1/history", limit=2)
    assert [one["data"]["n"] for one in found] == [4, 3, 2, 1, 0]
    assert found[2]["late"]
    assert (await stage.ask("GET", "/stations/none/history"))[0] == 404


async def test_pending_commands_of_a_station(stage: Stage) -> None:
    """The outstanding one first, then the queue; a single one by its id, in whatever state."""
    await stage.station("CP1")
    outstanding = Outstanding("c1", "TriggerMessage", epoch=1, sent_at=T0, deadline_at=T0 + 1)
    section = Commands(queue=(Queued("c2", "Reset"),), outstanding=outstanding)
    await stage.write(("HSET", keys.state("CP1"), "cm", pack(section)))
    states: dict[str, CommandState] = {"c1": "sent", "c2": "queued", "c0": "rejected"}
    for name, state in states.items():
        record = CommandRecord(
            command_id=name, station_id="CP1", action="Reset", payload='{"type":"Soft"}', state=state
        )
        await stage.write(("SET", keys.command("CP1", name), pack(record)))
    found = await stage.all_of("/stations/CP1/commands")
    assert [(one["id"], one["state"], one["payload"]) for one in found] == [
        ("c1", "sent", {"type": "Soft"}),
        ("c2", "queued", {"type": "Soft"}),
    ]
    assert (await stage.get("/stations/CP1/commands/c0"))["state"] == "rejected"
    assert (await stage.ask("GET", "/stations/CP1/commands/none"))[0] == 404
