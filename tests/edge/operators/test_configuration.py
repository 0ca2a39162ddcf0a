"""Configurations, drifts and models over the API, on records as commits write them."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.bus import keys
from shared.envelopes import Reply
from shared.records.changes import diff
from shared.records.commands import make_id
from shared.records.configuration import Change, Configured, KeyValue, Snapshot, Version
from shared.records.drifts import Drift
from shared.records.models import Capabilities, Model, Overrides, model_key
from shared.records.packing import pack, unpack
from shared.records.requests import AcknowledgeDrift, ReadConfiguration
from tests.edge.operators.stage import T0, Stage

DAY_MS = 24 * 3600 * 1000
SNAPSHOTS: list[dict[str, KeyValue]] = [
    {"A": KeyValue("1"), "B": KeyValue("1")},
    {"A": KeyValue("2"), "B": KeyValue("1")},
    {"A": KeyValue("2"), "B": KeyValue("1", readonly=True), "Secret.Thing": KeyValue("s")},
]


async def configured(stage: Stage, station_id: str = "CP1", *, firmware: str = "1", **section: Any) -> None:
    """Write a station with three versions of a configuration."""
    await stage.station(station_id, firmware=firmware)
    versions = [
        Version(version=number, read_at=T0 + number, trigger="boot", firmware="1", keys=len(now), changes=changes)
        for number, (now, changes) in enumerate(
            zip(SNAPSHOTS, [(), *map(diff, SNAPSHOTS, SNAPSHOTS[1:])], strict=True), start=1
        )
    ]
    snapshot = Snapshot(read_at=T0 + 3, version=3, vendor="V", model="M", firmware="1", keys=SNAPSHOTS[-1])
    fields = {"read_at": T0 + 3, "next_at": 2 * T0, **section}
    await stage.write(
        ("SET", keys.configuration(station_id), pack(snapshot)),
        ("HSET", keys.state(station_id), "cf", pack(Configured(**fields))),
        *(("LPUSH", keys.configuration_history(station_id), pack(one)) for one in versions),
    )


async def drifted(stage: Stage, station_id: str, at: int, **fields: Any) -> Drift:
    """Write a drift."""
    change = Change(kind="changed", name="A", before="1", after="2")
    drift = Drift(drift_id=make_id(at, station_id), station_id=station_id, found_at=at, version=2, changes=(change,))
    drift = msgspec.structs.replace(drift, **fields)
    await stage.write(
        ("HSET", keys.drifts(station_id), drift.drift_id, pack(drift)),
        ("ZADD", keys.DRIFTS, at, f"{station_id}/{drift.drift_id}"),
    )
    return drift


async def test_a_configuration_is_shown(stage: Stage) -> None:
    """The keys by name, when they were read, and that they are not stale."""
    await configured(stage)
    found = await stage.get("/stations/CP1/configuration")
    assert [(one["key"], one["value"], one["readonly"]) for one in found["keys"]] == [
        ("A", "2", False), ("B", "1", True), ("Secret.Thing", "***", False),
    ]  # fmt: skip
    assert (found["version"], found["stale"], found["reading"], found["open_drifts"]) == (3, False, False, 0)


async def test_a_station_without_one_is_shown_too(stage: Stage) -> None:
    """Never read: no keys, stale, version 0; an unknown station is 404."""
    await stage.station("CP1")
    found = await stage.get("/stations/CP1/configuration")
    assert (found["read_at"], found["version"], found["stale"], found["keys"]) == (None, 0, True, [])
    assert (await stage.ask("GET", "/stations/NO/configuration"))[0] == 404


async def test_what_is_stale(stage: Stage) -> None:
    """Overdue, failed, or of another firmware."""
    await configured(stage, "CP1", next_at=T0)
    await configured(stage, "CP2", failed_at=T0, failure="no answer in time")
    await configured(stage, "CP3", firmware="2")
    for name in ("CP1", "CP2", "CP3"):
        assert (await stage.get(f"/stations/{name}/configuration"))["stale"], name
    assert (await stage.get("/stations/CP2/configuration"))["failure"] == "no answer in time"


async def test_a_read_is_asked_of_the_station_s_commit(stage: Stage) -> None:
    """202, as a request entry; what the worker refuses is told."""
    await stage.station("CP1")
    status, body = await stage.ask("POST", "/stations/CP1/configuration/read")
    assert (status, body["status"]) == (202, "accepted")
    ((station, asked),) = stage.node.asked
    assert station == "CP1"
    assert isinstance(asked, ReadConfiguration)
    stage.node.answer = lambda _, request: Reply(request.request_id, 409, b'{"detail": "its model restarts"}')
    status, body = await stage.ask("POST", "/stations/CP1/configuration/read")
    assert (status, body["detail"]) == (409, "its model restarts")


async def test_the_history_pages(stage: Stage) -> None:
    """Newest first, each version once, whatever the page's size."""
    await configured(stage)
    for limit in (1, 2, 3):
        found = await stage.all_of("/stations/CP1/configuration/history", limit=limit)
        assert [one["version"] for one in found] == [3, 2, 1]
    assert found[1]["changes"] == [{"kind": "changed", "name": "A", "before": "1", "after": "2"}]
    assert found[0]["changes"][1]["after"] == "***"


async def test_versions_are_compared(stage: Stage) -> None:
    """Any two that are kept, in either direction; without a choice the last with the one before."""
    await configured(stage)

    async def kinds(**params: int) -> list[tuple[str, str]]:
        found = await stage.get("/stations/CP1/configuration/diff", params=params)
        return [(one["kind"], one["name"]) for one in found["changes"]]

    assert await kinds() == [("made_readonly", "B"), ("added", "Secret.Thing")]
    assert await kinds(**{"from": 1, "to": 2}) == [("changed", "A")]
    assert await kinds(**{"from": 1, "to": 3}) == [("changed", "A"), ("made_readonly", "B"), ("added", "Secret.Thing")]
    assert await kinds(**{"from": 3, "to": 1}) == [
        ("changed", "A"),
        ("made_writable", "B"),
        ("removed", "Secret.Thing"),
    ]
    assert (await stage.ask("GET", "/stations/CP1/configuration/diff?from=4"))[0] == 404
    assert (await stage.ask("GET", "/stations/CP1/configuration/diff?from=-1"))[0] == 400


async def test_drifts_are_listed(stage: Stage) -> None:
    """Newest first, by station and state, page by page; one by its id."""
    await stage.station("CP1")
    made = [
        await drifted(stage, f"CP{n % 2}", T0 + n, state="open" if n % 3 else "acknowledged", version=n)
        for n in range(6)
    ]
    ids = [one.drift_id for one in made]

    async def found(**params: Any) -> list[int]:
        return [ids.index(one["id"]) for one in await stage.all_of("/drifts", limit=2, **params)]

    assert await found() == [5, 4, 3, 2, 1, 0]
    assert await found(station_id="CP1") == [5, 3, 1]
    assert await found(state="acknowledged") == [3, 0]
    assert (await stage.get(f"/drifts/{ids[2]}"))["version"] == 2
    assert (await stage.ask("GET", f"/drifts/{make_id(T0, 'x')}"))[0] == 404


async def test_a_drift_is_acknowledged_by_the_station_s_commit(stage: Stage) -> None:
    """The note and the token's name go along; the answer is what the worker made of it."""
    drift = await drifted(stage, "CP1", T0)
    acknowledged = msgspec.structs.replace(drift, state="acknowledged", acknowledged_at=T0 + 1, acknowledged_by="test")
    stage.node.answer = lambda _, request: Reply(request.request_id, 200, msgspec.json.encode(acknowledged))
    status, body = await stage.ask("POST", f"/drifts/{drift.drift_id}/acknowledge", json={"note": "known"})
    assert (status, body["state"], body["acknowledged_by"]) == (200, "acknowledged", "test")
    ((station, asked),) = stage.node.asked
    assert station == "CP1"
    assert isinstance(asked, AcknowledgeDrift)
    assert (asked.drift_id, asked.note, asked.by) == (drift.drift_id, "known", "test")


async def test_rules_are_replaced_whole(stage: Stage) -> None:
    """First those that are shipped; then the given ones; what is wrong is named. Operators may not."""
    shipped = await stage.get("/drift-rules")
    assert shipped["shipped"]
    assert shipped["rules"][-1]["names"] == "*"
    given = {"rules": [{"names": "Vendor.*", "kinds": ["changed"], "significant": False}], "secrets": ["A"]}
    status, body = await stage.ask("PUT", "/drift-rules", json=given)
    assert (status, body["shipped"], body["by"]) == (200, False, "test")
    assert (await stage.get("/drift-rules"))["rules"][0]["names"] == "Vendor.*"
    await configured(stage)
    assert (await stage.get("/stations/CP1/configuration"))["keys"][0]["value"] == "***"
    status, body = await stage.ask("PUT", "/drift-rules", json={"rules": [{"kinds": ["broken"]}]})
    assert status == 422
    assert body["errors"][0]["name"] == "rules[0].kinds[0]"
    token = await stage.make_token("operate")
    assert (await stage.ask("PUT", "/drift-rules", json=given, token=token))[0] == 403


async def model(stage: Stage, vendor: str, name: str, **told: Any) -> str:
    """Write a model and return its key."""
    key = model_key(vendor, name, "1")
    record = Model(vendor=vendor, model=name, firmware="1", capabilities=Capabilities(**told), read_at=T0,
                   station_id="CP1")  # fmt: skip
    await stage.write(("HSET", keys.MODELS, key, pack(record)), ("SADD", keys.model_measurands(key), "Voltage"))
    return key


async def test_models_are_listed(stage: Stage) -> None:
    """By vendor and model, with what they can do, what they sent, and the rules of the shipped profiles."""
    await model(stage, "Zeta", "Z", connectors=2)
    key = await model(stage, "KEBA", "P30", profiles=("Core",), limits={"GetConfigurationMaxKeys": 9})
    for limit in (1, 5):
        found = await stage.all_of("/models", limit=limit)
        assert [one["vendor"] for one in found] == ["KEBA", "Zeta"]
    assert [one["key"] for one in await stage.all_of("/models", vendor="keba")] == [key]
    shown = await stage.get(f"/models/{key}")
    assert (shown["profiles"], shown["connectors"]) == (["Core"], None)
    assert shown["measurands"] == ["Voltage"]
    assert shown["rules"] == {"main_meter": "transaction"}
    assert (await stage.ask("GET", "/models/0123456789abcdef"))[0] == 404
    assert (await stage.ask("GET", "/models/nonsense"))[0] == 400


async def test_operators_have_the_last_word(stage: Stage) -> None:
    """Rules, connectors and limits are set, shown and taken back; a rule that does not exist is named."""
    key = await model(stage, "KEBA", "P30", connectors=9, limits={"GetConfigurationMaxKeys": 9})
    given = {"rules": {"main_meter": "none", "boot_hold": "60"}, "connectors": 1, "limits": {"X": 1}, "note": "seen"}
    status, body = await stage.ask("PUT", f"/models/{key}/overrides", json=given)
    assert status == 200
    assert (body["connectors"], body["limits"]) == (1, {"GetConfigurationMaxKeys": 9, "X": 1})
    assert body["rules"] == {"main_meter": "none", "boot_hold": "60"}
    stored = unpack(await stage.lane.one("HGET", keys.MODEL_OVERRIDES, key), Overrides)
    assert (stored.note, stored.by) == ("seen", "test")
    assert (await stage.get(f"/models/{key}/overrides"))["connectors"] == 1
    status, body = await stage.ask("PUT", f"/models/{key}/overrides", json={"rules": {"nonsense": "x", "ping": "on"}})
    assert status == 422
    assert [one["name"] for one in body["errors"]] == ["rules.nonsense", "rules.ping"]
    assert (await stage.ask("PUT", f"/models/{key}/overrides", json={}))[0] == 200
    assert await stage.lane.one("HLEN", keys.MODEL_OVERRIDES) == 0
    token = await stage.make_token("operate")
    assert (await stage.ask("PUT", f"/models/{key}/overrides", json={}, token=token))[0] == 403
