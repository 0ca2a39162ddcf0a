"""Rounds on a real Valkey, with real consumers and stations that answer: leases, takeovers, deaths in between."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Command, Kind
from shared.records.packing import unpack
from shared.records.queries import site_history, sites
from shared.records.requests import PlanTransaction
from shared.records.sites import Amount, Circuit, ConnectorState, LoadReading, Place, Site
from shared.settings import Settings
from tests.support import wait_until
from tests.workers.jobs.stage import Station, System, stage
from workers.heartbeat import Heartbeat
from workers.jobs.sites.knowing import Run
from workers.jobs.sites.runner import PATIENCE, Runner, turn_of
from workers.services import registration

PARTITIONS = 2
YARD = Site(
    name="yard",
    circuits=(
        Circuit(name="main", capacity=Amount((400, 400, 400))),
        Circuit(name="branch", parent="main", capacity=Amount((300, 300, 300))),
    ),
    stations=tuple(Place(station_id=f"Y{n}", circuit="branch", minimum=60, maximum=320) for n in range(3)),
    command_interval_s=0,
)


class Yard:
    """Stations of a site that take what they are told, and runners that allocate."""

    def __init__(self, system: System, settings: Settings) -> None:
        self.system = system
        self.lane = system.lane
        self.settings = settings
        self.stations: dict[str, Station] = {}
        self.told: list[tuple[str, str, float | None]] = []
        """Station, message or purpose, limit: in the order of their coming."""
        self._handed: set[str] = set()

    def runner(self, name: str) -> Runner:
        """Return a worker's runner."""
        return Runner(self.lane, self.settings, PARTITIONS, name)

    async def answer(self) -> int:
        """Let every station take what it was sent; returns how many commands there were."""
        await self.system.settle()
        fresh = 0
        for item in await self.system.items():
            if not isinstance(item, Command) or item.command_id in self._handed:
                continue
            self._handed.add(item.command_id)
            fresh += 1
            _, message_id, action, payload = msgspec.json.decode(item.frame)
            if profile := payload.get("csChargingProfiles"):
                limit = profile["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"]
                self.told.append((item.station, profile["chargingProfilePurpose"], limit))
            elif action == "ClearChargingProfile":
                self.told.append((item.station, action, None))
            answer = msgspec.json.encode([3, message_id, {"status": "Accepted"}])
            await self.system.append(Kind.ANSWER, item.station, self.stations[item.station].epoch, 0, answer)
        await self.system.settle()
        return fresh

    async def rounds(self, runner: Runner, count: int = 3) -> None:
        """Let some rounds pass, each with its answers, as if a minute lay between them."""
        for _ in range(count):
            assert await runner.round("yard") == "ok"
            while await self.answer():
                pass
            await self.forward()

    async def forward(self) -> None:
        """Let what was told and taken be long ago."""
        for name in self.stations:
            data = await self.lane.one("HGET", keys.state(name), "sc")
            if data is None:
                continue
            held = msgspec.msgpack.decode(data)
            for one in held.get("by_slot", {}).values():
                one["accepted_at"] = one.get("accepted_at", 0) - 60_000
            await self.lane.one("HSET", keys.state(name), "sc", msgspec.msgpack.encode(held), "v", secrets.token_hex(8))
        data = await self.lane.one("GET", keys.site_run("yard"))
        run = unpack(data, Run) if data else Run()
        for station in run.stations.values():
            station.told_at -= 60_000
            station.room_since -= 60_000 if station.room_since else 0
        await self.lane.one("SET", keys.site_run("yard"), msgspec.msgpack.encode(run))

    async def connectors(self) -> dict[str, ConnectorState]:
        """Return how the connectors stand, by station."""
        found = await sites.now(self.lane, "yard")
        assert found is not None
        assert found.state is not None
        return {one.station_id: one for one in found.state.connectors}

    async def limits(self) -> dict[str, int]:
        """Return what each connector was last told."""
        return {name: one.limit for name, one in (await self.connectors()).items() if one.transaction_id}


@contextlib.asynccontextmanager
async def yard(settings: Settings, lane: Lane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Yard]:
    """Let three stations of a site be there."""
    monkeypatch.setattr(registration, "SETTLE_MS", 0)
    async with stage(settings, lane, partitions=PARTITIONS) as system:
        made = Yard(system, settings)
        for place in YARD.stations:
            made.stations[place.station_id] = await system.dial(place.station_id)
        await sites.put(lane, YARD)
        await lane.one("SET", keys.site_lease("yard"), "w1")
        yield made


async def test_starts_are_covered_and_shared(settings: Settings, lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stations are told a default first; two that charge share the branch, less where a base load is posted."""
    async with yard(settings, lane, monkeypatch) as place:
        runner = place.runner("w1")
        await place.rounds(runner)
        assert {one[:2] for one in place.told} == {(name, "TxDefaultProfile") for name in place.stations}
        assert {limit for _, _, limit in place.told} == {6}
        numbers = [await place.stations[name].start("T") for name in ("Y0", "Y1")]
        await place.rounds(runner)
        assert await place.limits() == {"Y0": 150, "Y1": 150}
        load = LoadReading(amount=Amount((200, 200, 200)), at=2**45)
        await sites.put_load(lane, "yard", "main", load)
        await place.rounds(runner)
        assert await place.limits() == {"Y0": 100, "Y1": 100}
        asked = PlanTransaction(request_id="planned1", transaction_id=numbers[0], energy_wh=9000, departs_at=2**45)
        assert await place.system.request("Y0", asked) == 200
        await place.rounds(runner, 1)
        assert (await place.connectors())["Y0"].energy_left_wh == 9000
        past = await site_history.of_circuit(lane, "yard", "branch", 0, 2**46)
        assert past.points[0] is not None
        assert past.points[0].limit == (300, 300, 300)


async def test_who_does_not_hold_the_lease_changes_nothing(
    settings: Settings, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that lost its lease while it decided writes nothing, and asks nothing of anybody."""
    async with yard(settings, lane, monkeypatch) as place:
        assert await place.runner("w2").round("yard") == "lost"
        assert await place.answer() == 0
        assert await lane.one("GET", keys.site_run("yard")) is None
        # Nor does one whose document is another by the time that it has decided.
        held = await place.runner("w1")._reader.site("yard")
        assert held is not None
        await sites.put(lane, msgspec.structs.replace(YARD, note="changed"))
        runner = place.runner("w1")
        monkeypatch.setattr(runner._reader, "site", lambda _name: _given(held))
        assert await runner.round("yard") == "lost"
        assert await place.answer() == 0


async def _given(value: Any) -> Any:
    return value


async def test_another_worker_goes_on(settings: Settings, lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that takes over knows what its predecessor told whom: nobody is told again."""
    async with yard(settings, lane, monkeypatch) as place:
        await place.stations["Y0"].start("T")
        await place.rounds(place.runner("w1"), 4)
        told = len(place.told)
        assert await place.limits() == {"Y0": 300}
        await lane.one("SET", keys.site_lease("yard"), "w2")
        await place.rounds(place.runner("w2"), 3)
        assert len(place.told) == told


async def test_a_site_that_is_deleted_leaves_no_profiles(
    settings: Settings, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its profiles are cleared from its stations, then it is forgotten, and its name may be used anew."""
    async with yard(settings, lane, monkeypatch) as place:
        runner = place.runner("w1")
        await place.rounds(runner, 2)
        assert await sites.site_of(lane, "Y0") == "yard"
        assert await sites.delete(lane, "yard", 1)
        assert await sites.site(lane, "yard") is None
        assert await sites.site_of(lane, "Y0") == ""
        await place.rounds(runner, 1)
        assert {name for name, action, _ in place.told if action == "ClearChargingProfile"} == set(place.stations)
        assert await runner.round("yard") == "ok"
        assert await lane.one("GET", keys.site("yard")) is None
        assert await lane.one("ZCARD", keys.SITES) == 0


async def test_sites_spread_over_workers(settings: Settings, lane: Lane) -> None:
    """Each site has one worker, by their names; where that one is gone another takes it, and gives it back."""
    names = [f"site{n}" for n in range(6)]
    for name in names:
        await sites.put(lane, Site(name=name, circuits=(Circuit(name="main", capacity=Amount((1, 1, 1))),)))
    runners = {name: Runner(lane, settings, PARTITIONS, name) for name in ("w1", "w2")}
    for name in runners:
        await Heartbeat(lane, name, 10).beat()
    for runner in runners.values():
        await runner.beat()
    turns = {name: turn_of(name, runners) for name in names}
    assert set(turns.values()) == {"w1", "w2"}
    holders = [await lane.one("GET", keys.site_lease(name)) for name in names]
    assert [one.decode() for one in holders] == list(turns.values())
    await lane.one("ZREM", keys.WORKERS, "w2")
    for name in names:
        if turns[name] == "w2":
            await lane.one("DEL", keys.site_lease(name))  # As its expiry does.
    await runners["w1"].beat()
    assert {await lane.one("GET", keys.site_lease(name)) for name in names} == {b"w1"}
    await Heartbeat(lane, "w2", 10).beat()
    for _ in range(PATIENCE):
        await runners["w1"].beat()
        await runners["w2"].beat()

    async def given_back() -> bool:
        found = [(await lane.one("GET", keys.site_lease(name)) or b"").decode() for name in names]
        return found == list(turns.values())

    await wait_until(given_back)
    await runners["w2"].resign()
    assert {await lane.one("GET", keys.site_lease(name)) for name in names} == {None, b"w1"}
