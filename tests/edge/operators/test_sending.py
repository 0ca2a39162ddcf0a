"""Commands over the API: checked at once, queued, waited for, listed, cancelled."""

import asyncio
from typing import Any

import msgspec
import pytest

from edge.operators.feed import EventFeed
from shared.bus import keys
from shared.bus.lane import LaneLost
from shared.envelopes import Reply
from shared.ocpp import v16
from shared.records.commands import CommandRecord, Commands, CommandState, Queued, made_at, make_id
from shared.records.events import CommandChanged
from shared.records.packing import pack
from shared.records.requests import CancelCommand, Request, SendCommand
from tests.edge.operators.stage import T0, Stage
from tests.support import PATIENCE_S, wait_until

RESET = {"action": "Reset", "payload": {"type": "Soft"}}


def record(number: int, station_id: str = "CP1", **fields: Any) -> CommandRecord:
    given = {"action": "Reset", "payload": '{"type":"Soft"}', "created_at": T0 + number, "expires_at": T0 + 10**6}
    name = make_id(T0 + number, f"{station_id}{number}")
    return CommandRecord(command_id=name, station_id=station_id, **{**given, **fields})


async def keep(stage: Stage, *records: CommandRecord) -> None:
    """Write records as commits do: those that have ended into their station's history, the others into its queue."""
    queues: dict[str, list[Queued]] = {}
    for one in records:
        await stage.write(
            ("SET", keys.command(one.station_id, one.command_id), pack(one)),
            ("ZADD", keys.COMMANDS, made_at(one.command_id), f"{one.station_id}/{one.command_id}"),
        )
        if one.ended_at:
            await stage.write(("ZADD", keys.commands(one.station_id), one.ended_at, one.command_id))
        else:
            queues.setdefault(one.station_id, []).append(Queued(one.command_id, one.action))
    for station_id, queue in queues.items():
        await stage.write(("HSET", keys.state(station_id), "cm", pack(Commands(queue=tuple(queue)))))


def answering(stage: Stage, made: CommandRecord) -> None:
    """Let the worker answer with a record."""

    def answer(_: str, request: Request) -> Reply:
        assert isinstance(request, SendCommand | CancelCommand)
        return Reply(request.request_id, 202, msgspec.json.encode(made))

    stage.node.answer = answer


async def test_a_command_is_queued(stage: Stage) -> None:
    """202 and the record, with exactly the fields that are documented; the payload goes on as the standard has it."""
    await stage.station("CP1")
    answering(stage, record(1))
    status, body = await stage.ask("POST", "/stations/CP1/commands", json={**RESET, "expires_in_s": 60})
    assert status == 202
    assert list(body) == [
        "id", "station_id", "action", "payload", "state", "response", "error", "job", "created_at", "sent_at",
        "ended_at", "expires_at",
    ]  # fmt: skip
    assert (body["state"], body["payload"], body["sent_at"]) == ("queued", {"type": "Soft"}, None)
    ((station_id, asked),) = stage.node.asked
    assert isinstance(asked, SendCommand)
    assert (station_id, asked.action, asked.payload, asked.expires_in_ms) == ("CP1", "Reset", '{"type":"Soft"}', 60_000)


WRONG: list[tuple[str, Any, str]] = [
    ("Rest", {}, "action"),
    ("BootNotification", {}, "action"),
    ("Reset", {}, "payload.type"),
    ("Reset", {"type": "Gently"}, "payload.type"),
    ("Reset", {"type": "Soft", "when": 1}, "payload.when"),
    ("RemoteStartTransaction", {"idTag": "x" * 21}, "payload.idTag"),
    ("RemoteStopTransaction", {"transactionId": "7"}, "payload.transactionId"),
    ("ChangeConfiguration", {"key": "k", "value": None}, "payload.value"),
    ("SendLocalList", {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [{}]},
     "payload.localAuthorizationList[0].idTag"),
    ("GetLog", {"logType": "SecurityLog", "requestId": 1, "log": {}}, "payload.log.remoteLocation"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "payload", "name"), WRONG)
async def test_a_wrong_payload_is_refused_at_once(stage: Stage, action: str, payload: Any, name: str) -> None:
    """422 that names the field, and no worker is asked."""
    await stage.station("CP1")
    status, body = await stage.ask("POST", "/stations/CP1/commands", json={"action": action, "payload": payload})
    assert status == 422
    assert [error["name"] for error in body["errors"]] == [name]
    assert stage.node.asked == []


async def test_allowed_values_are_listed(stage: Stage) -> None:
    """Who misspells a word of an enumeration is told its words, inside lists too."""
    await stage.station("CP1")
    listed = {
        "listVersion": 1,
        "updateType": "Full",
        "localAuthorizationList": [{"idTag": "A", "idTagInfo": {"status": "OK"}}],
    }
    for action, payload, words in (("Reset", {"type": "x"}, "Hard, Soft"), ("SendLocalList", listed, "ConcurrentTx")):
        _, body = await stage.ask("POST", "/stations/CP1/commands", json={"action": action, "payload": payload})
        assert words in body["detail"]


@pytest.mark.parametrize("action", sorted(v16.FROM_CSMS))
async def test_every_action_is_taken(stage: Stage, action: str) -> None:
    """What a station may be sent in 1.6 and its security extension is known, and its fields are checked."""
    await stage.station("CP1")
    status, body = await stage.ask("POST", "/stations/CP1/commands", json={"action": action, "payload": {"no": 1}})
    assert status == 422
    assert body["errors"][0]["name"].startswith("payload.")


async def test_an_unknown_station_and_bad_waits_are_told(stage: Stage) -> None:
    """404 for the station, 400 for a time that is none or too long."""
    assert (await stage.ask("POST", "/stations/none/commands", json=RESET))[0] == 404
    await stage.station("CP1")
    for wait in ("10", "soon", "61s", "2m", "1e3s"):
        status, body = await stage.ask("POST", f"/stations/CP1/commands?wait={wait}", json=RESET)
        assert (status, body["errors"][0]["name"]) == (400, "wait")


async def test_waiting_answers_with_the_outcome(stage: Stage) -> None:
    """As soon as the event of the command's end is out; other commands' events end nothing."""
    await stage.station("CP1")
    made = record(1)
    await keep(stage, made)
    answering(stage, made)
    waiting = asyncio.create_task(stage.ask("POST", "/stations/CP1/commands?wait=60s", json=RESET))
    await wait_until(lambda: bool(stage.node.asked))
    for name in ("other", made.command_id):
        if name == made.command_id:
            ended = msgspec.structs.replace(made, state="rejected", ended_at=T0 + 9, response={"status": "Rejected"})
            await keep(stage, ended)
        changed = CommandChanged(station_id="CP1", at=T0, command_id=name, action="Reset", state="rejected")
        await stage.emit(changed)
    status, body = await asyncio.wait_for(waiting, PATIENCE_S)
    assert (status, body["state"], body["response"]) == (200, "rejected", {"status": "Rejected"})


async def test_waiting_in_vain_answers_with_the_record_as_it_stands(stage: Stage) -> None:
    """202 when the time is over: the command goes on."""
    await stage.station("CP1")
    made = record(1)
    await keep(stage, made)
    answering(stage, made)
    status, body = await stage.ask("POST", "/stations/CP1/commands?wait=50ms", json=RESET)
    assert (status, body["state"]) == (202, "queued")


async def test_a_wait_that_loses_redis_fails_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is queued by then: 202 and its record, not an error that invites a repetition."""

    async def lost(*_: Any) -> None:
        raise LaneLost("gone")

    await stage.station("CP1")
    answering(stage, record(1))
    monkeypatch.setattr(EventFeed, "following", lost)
    status, body = await stage.ask("POST", "/stations/CP1/commands?wait=60s", json=RESET)
    assert (status, body["state"]) == (202, "queued")


async def test_commands_are_listed_newest_first(stage: Stage) -> None:
    """Over the fleet or of one station, by state and action, page by page."""
    await stage.station("CP1")
    states: list[CommandState] = ["queued", "accepted", "rejected"]
    made = [
        record(
            n,
            f"CP{n % 2}",
            state=states[n % 3],
            ended_at=T0 + n if n % 3 else 0,
            action=("Reset", "ClearCache")[n // 6],
        )
        for n in range(12)
    ]
    await keep(stage, *made)
    ids = [one.command_id for one in reversed(made)]
    assert [one["id"] for one in await stage.all_of("/commands", limit=5)] == ids
    own = [one.command_id for one in reversed(made) if one.station_id == "CP1"]
    assert [one["id"] for one in await stage.all_of("/commands", limit=2, station_id="CP1")] == own
    queued = await stage.all_of("/commands", state="queued", action="ClearCache", limit=1)
    assert [one["id"] for one in queued] == [made[9].command_id, made[6].command_id]


async def test_a_command_is_shown_and_cancelled_by_its_id(stage: Stage) -> None:
    """The station need not be named; 404 for an id that nothing has."""
    made = record(1)
    await keep(stage, made, record(1, "CP2"))
    assert (await stage.get(f"/commands/{made.command_id}"))["station_id"] == "CP1"
    answering(stage, msgspec.structs.replace(made, state="cancelled"))
    status, body = await stage.ask("DELETE", f"/commands/{made.command_id}")
    assert (status, body["state"]) == (200, "cancelled")
    assert stage.node.asked[-1][0] == "CP1"
    for name in ("none", make_id(T0, "none")):
        assert (await stage.ask("GET", f"/commands/{name}"))[0] == 404
        assert (await stage.ask("DELETE", f"/commands/{name}"))[0] == 404


async def test_a_late_answer_is_shown_and_a_password_is_not(stage: Stage) -> None:
    """What came after the time was over stands as the response; the value of AuthorizationKey is masked."""
    payload = '{"key":"AuthorizationKey","value":"secret"}'
    made = record(
        1,
        action="ChangeConfiguration",
        payload=payload,
        state="timed_out",
        ended_at=T0 + 5,
        late_response={"status": "Accepted"},
    )
    await keep(stage, made)
    found = await stage.get(f"/commands/{made.command_id}")
    assert (found["state"], found["response"]) == ("timed_out", {"status": "Accepted"})
    assert found["payload"] == {"key": "AuthorizationKey", "value": "***"}


async def test_the_tags_of_a_list_are_not_shown(stage: Stage) -> None:
    """A list that somebody sends by hand shows its number and statuses, also while it waits."""
    payload = (
        '{"listVersion":7,"updateType":"Full","localAuthorizationList":['
        '{"idTag":"T1"},{"idTag":"T2","idTagInfo":{"status":"Accepted","parentIdTag":"G1"}}]}'
    )
    made = record(1, action="SendLocalList", payload=payload)
    await keep(stage, made)
    found = (await stage.get(f"/commands/{made.command_id}"))["payload"]
    assert found == {
        "listVersion": 7,
        "updateType": "Full",
        "localAuthorizationList": [
            {"idTag": "***"},
            {"idTag": "***", "idTagInfo": {"status": "Accepted", "parentIdTag": "***"}},
        ],
    }


async def test_a_command_names_its_job(stage: Stage) -> None:
    """One that a job over many stations sent; null for all others."""
    for number, (origin, job) in enumerate((("job:0199a3c2", "0199a3c2"), ("operator", None))):
        made = record(number, origin=origin)
        await keep(stage, made)
        assert (await stage.get(f"/commands/{made.command_id}"))["job"] == job


async def test_ids_tell_when_a_command_was_made() -> None:
    """UUIDs of version 7: in order of time, the same for the same source."""
    assert made_at(make_id(T0, "a")) == T0
    assert make_id(T0, "a") == make_id(T0, "a") != make_id(T0, "b")
    assert make_id(T0, "z") < make_id(T0 + 1, "a")
    assert made_at("c1") == 0
