"""Commands end to end: API, worker, edge, station and back, whatever the station does meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from tests.chaos.harness.system import System
from tests.e2e.field import PATIENT, Field
from tests.support import wait_until

HOLD_S = 2.0
ACCEPTED = {"status": "Accepted"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running Ampstream that holds commands back shortly where no boot comes, and waits shortly for a start."""
    settings = {"PARTITIONS": "2", **PATIENT, "BOOT_HOLD_S": str(HOLD_S), "START_FAILURE_S": "3"}
    made = System(tmp_path_factory.mktemp("commands") / "system", edges=2, workers=2, settings=settings)
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.close()


async def send(field: Field, action: str, wait: str = "", **payload: Any) -> dict[str, Any]:
    """Send a command as an operator and return its record."""
    status, body = await field.operator.request(
        "POST",
        f"/stations/{field.id}/commands" + (f"?wait={wait}" if wait else ""),
        json={"action": action, "payload": payload},
    )
    assert status in (200, 202), body
    found: dict[str, Any] = body
    return found


async def ended(field: Field, command_id: str) -> dict[str, Any]:
    """Return a command's record once it has ended."""

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = await field.operator.get(f"/commands/{command_id}")
        return found if found["ended_at"] else None

    found = await wait_until(look)
    assert found is not None
    return found


async def serve(field: Field, answer: Mapping[str, Any] = ACCEPTED) -> str:
    """Answer the next command and return its action."""
    call = await field.command()
    field.station.answer(call, answer)
    return call.action


async def states(field: Field, command_id: str, last: str) -> list[str]:
    """Return the states that a command's events told, in order, once they have told the last one."""

    async def look() -> list[str]:
        told = [one["state"] for one in await field.events("command.changed") if one["command_id"] == command_id]
        return told if last in told else []

    return await wait_until(look)


def actions(field: Field) -> list[str]:
    """Return the actions of every CALL that the station ever got."""
    frames = [msgspec.json.decode(frame) for frame in field.station.received_frames]
    return [frame[2] for frame in frames if frame[0] == 2]


async def test_a_command_and_its_outcome(system: System) -> None:
    """`?wait` answers with the outcome; each change is an event; the record tells when."""
    async with Field(system, "CMD-WAIT") as field:
        await field.boot()
        waiting = asyncio.create_task(send(field, "Reset", "20s", type="Soft"))
        assert await serve(field, {"status": "Rejected"}) == "Reset"
        found = await waiting
        assert (found["state"], found["response"]) == ("rejected", {"status": "Rejected"})
        assert found["created_at"] <= found["sent_at"] <= found["ended_at"] < found["expires_at"]
        assert await states(field, found["id"], "rejected") == ["queued", "sent", "rejected"]
        (listed,) = await field.operator.items("/commands", station_id=field.id)
        assert listed == found


async def test_the_queue_of_an_offline_station(system: System) -> None:
    """Delivered in order after the boot is answered, one at a time, nothing before."""
    field = Field(system, "CMD-QUEUE")
    async with field:
        await field.boot()
    wanted = ["ClearCache", "GetLocalListVersion", "GetConfiguration"]
    made = [await send(field, action) for action in wanted]
    assert {one["state"] for one in made} == {"queued"}
    seen = len(field.station.received_frames)
    async with field:
        await field.boot()
        assert [await serve(field, {}) for _ in wanted] == wanted
        first = msgspec.json.decode(field.station.received_frames[seen])
        assert first[0] == 3, "the boot is answered before a command comes"
        for one in made:
            assert (await ended(field, one["id"]))["state"] == "accepted"
            assert await states(field, one["id"], "accepted") == ["queued", "sent", "accepted"]


async def test_a_station_that_does_not_boot(system: System) -> None:
    """Its queue is delivered when the time after its connect is over."""
    field = Field(system, "CMD-HELD")
    async with field:
        await field.boot()
    await send(field, "ClearCache")
    begun = time.monotonic()
    async with field:
        assert await serve(field) == "ClearCache"
        assert time.monotonic() - begun > HOLD_S - 0.5


async def test_a_forbidden_head_does_not_block(system: System) -> None:
    """A pending station is not asked to charge, but it is asked for its configuration; accepted, it gets the rest."""
    async with Field(system, "CMD-PENDING") as field:
        await field.boot()
        await field.patch(boot_policy="pending")
        assert (await field.boot())["status"] == "Pending"
        start = await send(field, "RemoteStartTransaction", idTag="TAG")
        read = await send(field, "GetConfiguration")
        assert await serve(field, {"configurationKey": []}) == "GetConfiguration"
        assert (await ended(field, read["id"]))["state"] == "accepted"
        assert (await field.operator.get(f"/commands/{start['id']}"))["state"] == "queued"
        await field.patch(boot_policy="accepted")
        assert (await field.boot())["status"] == "Accepted"
        assert await serve(field) == "RemoteStartTransaction"


async def test_both_directions_are_independent(system: System) -> None:
    """While a command is open the station's own CALLs are answered, and only one command is open."""
    async with Field(system, "CMD-BOTH") as field:
        await field.boot()
        first, second = await send(field, "Reset", type="Soft"), await send(field, "ClearCache")
        open_one = await field.command()
        for _ in range(3):
            assert "currentTime" in await field.say("Heartbeat")
        assert actions(field) == ["Reset"]
        field.station.answer(open_one, ACCEPTED)
        assert await serve(field, {"status": "Rejected"}) == "ClearCache"
        assert [(await ended(field, one["id"]))["state"] for one in (first, second)] == ["accepted", "rejected"]


async def test_a_command_is_executed_at_most_once(system: System) -> None:
    """A reconnect without an answer ends it as timed out and never repeats it; the late answer is recorded."""
    async with Field(system, "CMD-ONCE") as field:
        await field.boot()
        made = await send(field, "Reset", type="Hard")
        call = await field.command()
        await field.again()
        await field.boot()
        found = await ended(field, made["id"])
        assert (found["state"], found["response"]) == ("timed_out", None)
        field.station.answer(call, ACCEPTED)

        async def late() -> bool:
            shown = await field.operator.get(f"/commands/{made['id']}")
            return bool(shown["state"] == "timed_out" and shown["response"] == ACCEPTED)

        await wait_until(late)
        await send(field, "ClearCache")
        assert await serve(field) == "ClearCache"
        assert actions(field) == ["Reset", "ClearCache"]
        assert await states(field, made["id"], "timed_out") == ["queued", "sent", "timed_out"]


async def test_a_queued_command_is_cancelled(system: System) -> None:
    """Never sent; a second cancel is a conflict, and so is one of what was sent."""
    field = Field(system, "CMD-CANCEL")
    async with field:
        await field.boot()
    made = await send(field, "Reset", type="Soft")
    status, body = await field.operator.request("DELETE", f"/commands/{made['id']}")
    assert (status, body["state"]) == (200, "cancelled")
    assert (await field.operator.request("DELETE", f"/commands/{made['id']}"))[0] == 409
    async with field:
        await field.boot()
        await send(field, "ClearCache")
        assert await serve(field) == "ClearCache"
    assert actions(field) == ["ClearCache"]


async def test_the_same_key_twice_is_one_command(system: System) -> None:
    """`Idempotency-Key`: the repetition gets the first's record."""
    async with Field(system, "CMD-KEY") as field:
        await field.boot()
        body = {"action": "ClearCache"}
        headers = {"Idempotency-Key": "the-same-one"}
        path = f"/stations/{field.id}/commands"
        (_, first), (_, second) = [
            await field.operator.request("POST", path, json=body, headers=headers) for _ in range(2)
        ]
        assert first["id"] == second["id"]
        assert len(await field.operator.items("/commands", station_id=field.id)) == 1


async def test_a_remote_start_and_what_follows(system: System) -> None:
    """Accepted and begun: nothing more is told. Accepted and not begun: a failure with its reason."""
    async with Field(system, "CMD-REMOTE") as field:
        await field.boot()
        await field.status("Available")
        good = asyncio.create_task(send(field, "RemoteStartTransaction", "20s", idTag="CMD-REMOTE-T", connectorId=1))
        assert await serve(field) == "RemoteStartTransaction"
        number = await field.start()
        assert (await good)["state"] == "accepted"
        stop = asyncio.create_task(send(field, "RemoteStopTransaction", "20s", transactionId=number))
        assert await serve(field) == "RemoteStopTransaction"
        await field.stop(number)
        await field.status("Faulted")
        bad = asyncio.create_task(send(field, "RemoteStartTransaction", "20s", idTag="NOBODY", connectorId=1))
        assert await serve(field) == "RemoteStartTransaction"
        command_id = (await bad)["id"]
        await stop

        async def failed() -> list[dict[str, Any]]:
            return await field.events("transaction.start_failed")

        (event,) = await wait_until(failed)
        assert (event["command_id"], event["reason"]) == (command_id, "connector")
        assert await field.events("transaction.stop_failed") == []
