"""Frames that nobody understood."""

import base64

from shared.bus import keys
from shared.envelopes import Reply
from shared.records.quarantine import Quarantined
from shared.records.requests import DropQuarantined, ReplayQuarantined
from tests.edge.operators.stage import T0, Stage


def frame(n: int, station_id: str = "CP1", **fields: object) -> Quarantined:
    return Quarantined(
        quarantine_id=f"{n % 4}-{T0 + n}-0",
        station_id=station_id,
        received_at=T0 + n,
        **{"reason": "not_json", "detail": "Expecting value", "frame": b"[2,", **fields},  # type: ignore[arg-type]
    )


async def test_frames_are_listed_newest_first_and_filtered(stage: Stage) -> None:
    """By station, reason and action; the text is not in the list."""
    await stage.quarantine(
        *(
            frame(n, f"CP{n % 2}", reason="poison" if n % 3 == 0 else "not_json", action="Boot" if n == 4 else "")
            for n in range(10)
        )
    )

    async def found(**wanted: str) -> list[int]:
        items = await stage.all_of("/quarantine", limit=2, **wanted)
        return [int(one["id"].split("-")[1]) - T0 for one in items]

    assert await found() == list(range(9, -1, -1))
    assert await found(station_id="CP1") == [9, 7, 5, 3, 1]
    assert await found(reason="poison") == [9, 6, 3, 0]
    assert await found(action="Boot") == [4]
    assert await found(station_id="CP1", reason="poison") == [9, 3]
    assert "frame" not in (await stage.get("/quarantine"))["items"][0]


async def test_a_frame_is_shown_byte_for_byte(stage: Stage) -> None:
    """What the station sent can be had as it was, even if it is no text."""
    await stage.quarantine(frame(1, frame=b'[2,"\xff"', transaction_id=7))
    found = await stage.get(f"/quarantine/{frame(1).quarantine_id}")
    assert base64.b64decode(found["frame_base64"]) == b'[2,"\xff"'
    assert found["frame"] == '[2,"�"'
    assert (found["size_bytes"], found["transaction_id"]) == (6, 7)


async def test_a_frame_under_another_time_is_found_too(stage: Stage) -> None:
    """The id's time is a hint; the index decides."""
    await stage.quarantine(frame(1))
    await stage.write(("ZADD", keys.QUARANTINE, T0 + 999, f"CP1/{frame(1).quarantine_id}"))
    assert (await stage.get(f"/quarantine/{frame(1).quarantine_id}"))["station_id"] == "CP1"


async def test_an_unknown_frame_is_404(stage: Stage) -> None:
    """So is an id that could not be one, glob characters included."""
    await stage.quarantine(frame(1))
    for name in ("1-1-1", "nonsense", "*", "1-*-0"):
        assert (await stage.ask("GET", f"/quarantine/{name}"))[0] == 404


async def test_replay_and_drop_are_asked_of_a_worker(stage: Stage) -> None:
    """The station's own commit does both; a replay that still fails says why."""
    await stage.quarantine(frame(1, "CP7"))
    name = frame(1).quarantine_id
    assert (await stage.ask("POST", f"/quarantine/{name}/replay"))[0] == 200
    assert (await stage.ask("DELETE", f"/quarantine/{name}"))[0] == 204
    (station, replay), (_, drop) = stage.node.asked
    assert station == "CP7"
    assert isinstance(replay, ReplayQuarantined)
    assert isinstance(drop, DropQuarantined)
    assert replay.quarantine_id == drop.quarantine_id == name
    stage.node.answer = lambda _, request: Reply(request.request_id, 422, b'{"detail": "still no JSON"}')
    status, body = await stage.ask("POST", f"/quarantine/{name}/replay")
    assert (status, body["detail"]) == (422, "still no JSON")
