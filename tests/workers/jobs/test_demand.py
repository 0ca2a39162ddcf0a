"""Demand response on a real Valkey, moved beat by beat: begin, limits on stations, measures, end, cancel, takeover."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Command, Kind
from shared.policy import Policy
from shared.records.demand import DemandEvent, DemandRecord
from shared.records.packing import unpack
from shared.records.queries import demand, profiles, sites
from shared.records.sites import Amount, Circuit, Place, Site
from shared.settings import Settings
from tests.support import wait_until
from tests.workers.jobs.stage import Station, System, stage
from workers.jobs.demand import holding, runner
from workers.jobs.demand.runner import Conductor
from workers.services import registration

MINUTE_MS = 60_000


class Field:
    """A conductor whose waits are none, and stations that answer what they are sent."""

    def __init__(self, system: System, settings: Settings) -> None:
        self.system = system
        self.lane = system.lane
        self.settings = settings
        self.conductor = self.another("w1")
        self.stations: dict[str, Station] = {}
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        """Station, action and payload of every command, in order."""
        self._handed: set[str] = set()
        self._numbers = itertools.count()

    def another(self, holder: str) -> Conductor:
        """Return one more conductor, as another worker has it."""
        return Conductor(self.lane, self.settings, self.system.partitions, holder)

    async def dial(self, *names: str) -> None:
        """Let stations come and boot."""
        for name in names:
            self.stations[name] = await self.system.dial(name)

    async def now(self) -> int:
        """Return Redis's time."""
        seconds, micros = await self.lane.one("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def event(self, begins_in_ms: int = -1, lasts_ms: int = 10 * MINUTE_MS, **fields: Any) -> str:
        """Make an event that begins about now; returns its id."""
        now = await self.now()
        event = DemandEvent(
            event_id=f"event-{next(self._numbers)}",
            start_at=now + begins_in_ms,
            end_at=now + begins_in_ms + lasts_ms,
            **fields,
        )
        await demand.create(self.lane, event)
        return event.event_id

    async def shown(self, event_id: str) -> DemandRecord:
        """Return an event as it stands."""
        found = await demand.record(self.lane, event_id)
        assert found is not None
        return found

    async def outcomes(self, event_id: str) -> dict[str, str]:
        """Return how far the event got at each station."""
        return {name: row.outcome for name, row in (await demand.stations(self.lane, event_id)).items()}

    async def beat(self, status: str = "Accepted", count: int = 2) -> None:
        """Let the conductor beat, workers decide and stations answer, as often as it takes."""
        for _ in range(count):
            await self.conductor.beat()
            for _ in range(3):
                await self.system.settle()
                await self._answer(status)

    async def _answer(self, status: str) -> None:
        for item in await self.system.items():
            if not isinstance(item, Command) or item.command_id in self._handed:
                continue
            self._handed.add(item.command_id)
            _, _, action, payload = msgspec.json.decode(item.frame)
            self.calls.append((item.station, action, payload))
            answer = {"status": status if action == "SetChargingProfile" else "Accepted"}
            if action == "GetCompositeSchedule":
                answer = {"status": "Rejected"}
            frame = msgspec.json.encode([3, item.command_id, answer])
            await self.system.append(Kind.ANSWER, item.station, item.epoch, 0, frame)

    def sent(self, action: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the stations and payloads of the commands with an action."""
        return [(station, payload) for station, name, payload in self.calls if name == action]

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a type."""
        found = await self.lane.one("XRANGE", keys.EVENTS, "-", "+")
        every = [event for _, fields in found for event in unpack(fields[1], list[dict[str, Any]])]
        return [one for one in every if one["type"] == kind]


@pytest.fixture
async def field(settings: Settings, lane: Lane) -> AsyncIterator[Field]:
    """A system without the reads after a boot, and a conductor that looks at everything in each beat."""
    policy = Policy(unknown_stations="accept", unknown_tags="accept")
    with (
        patch.object(registration, "SETTLE_MS", 0),
        patch.object(runner, "HOLD_S", 0.0),
        patch.object(runner, "MEASURE_S", 0.0),
        patch.object(runner, "LATE_MS", 0),
    ):
        async with stage(settings, lane, policy) as system:
            yield Field(system, settings)


async def test_stations_get_a_limit_and_lose_it(field: Field) -> None:
    """Each station of an event gets its maximum for that time; when it is over it is taken back, and nobody waits."""
    await field.dial("CP1", "CP2", "CP3")
    event_id = await field.event(stations=("CP1", "CP2"), amount=Amount(watts=4000), lasts_ms=2000)
    await field.beat()
    assert (await field.shown(event_id)).state == "running"
    assert await field.outcomes(event_id) == {"CP1": "taken", "CP2": "taken"}
    sent = dict(field.sent("SetChargingProfile"))
    assert set(sent) == {"CP1", "CP2"}
    profile = sent["CP1"]["csChargingProfiles"]
    assert (sent["CP1"]["connectorId"], profile["chargingProfilePurpose"]) == (0, "ChargePointMaxProfile")
    assert profile["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 4000.0}]
    assert profile["validTo"] > profile["validFrom"]

    async def over() -> bool:
        await field.beat(count=1)
        return not await demand.active(field.lane)

    await wait_until(over)
    await field.beat()
    assert (await field.shown(event_id)).state == "ended"
    assert {station for station, _ in field.sent("ClearChargingProfile")} == {"CP1", "CP2"}
    assert not (await profiles.of_station(field.lane, "CP1")).limits.by_slot
    (started,), (ended,) = await field.events("demand.started"), await field.events("demand.ended")
    assert (started["stations"], started["limit_w"], ended["state"]) == (2, 4000, "ended")


async def test_a_station_that_refuses_gets_a_default_profile(field: Field) -> None:
    """The station's maximum is tried first, then a default profile; one that refuses both is told as refusing."""
    await field.dial("CP1")
    event_id = await field.event(stations=("CP1",), amount=Amount(amps=(100, 100, 100)))
    await field.beat(status="Rejected", count=4)
    purposes = [
        payload["csChargingProfiles"]["chargingProfilePurpose"] for _, payload in field.sent("SetChargingProfile")
    ]
    assert purposes == ["ChargePointMaxProfile", "TxDefaultProfile"]
    row = (await demand.stations(field.lane, event_id))["CP1"]
    assert (row.outcome, row.detail) == ("refused", "Rejected")


async def test_who_is_away_gets_it_when_back(field: Field) -> None:
    """A station that is offline is passed over, and gets its limit when it dials in while the event runs."""
    await field.dial("CP1")
    await field.stations["CP1"].close()
    await field.system.settle()
    event_id = await field.event(filter={"q": "CP"}, percent=50)
    await field.beat()
    assert await field.outcomes(event_id) == {"CP1": "away"}
    await field.dial("CP1")
    await field.beat(count=3)
    assert await field.outcomes(event_id) == {"CP1": "taken"}


async def test_a_cancelled_event_lets_stations_go(field: Field) -> None:
    """What was cancelled while it ran is taken back at once and told; what had not begun never begins."""
    await field.dial("CP1")
    running = await field.event(stations=("CP1",), amount=Amount(watts=0))
    later = await field.event(begins_in_ms=60_000, stations=("CP1",))
    await field.beat()
    for event_id in (running, later):
        assert await demand.cancel(field.lane, event_id, await field.now(), "ann") is not None
        assert await demand.cancel(field.lane, event_id, await field.now(), "ann") is None
    await field.beat(count=3)
    assert len(field.sent("ClearChargingProfile")) == 1
    assert [one["state"] for one in await field.events("demand.ended")] == ["cancelled"]
    assert not await demand.active(field.lane)


async def test_another_worker_goes_on(field: Field) -> None:
    """A conductor that dies between any two steps leaves nothing that the next does not finish; only one acts."""
    await field.dial("CP1")
    event_id = await field.event(stations=("CP1",), amount=Amount(watts=7000))
    with patch.object(Conductor, "_hold", side_effect=RuntimeError("killed")):
        await field.conductor.beat()
    assert (await field.shown(event_id)).state == "running"
    assert await field.outcomes(event_id) == {"CP1": "waiting"}
    other = field.another("w2")
    assert not await other.beat()
    await field.conductor.resign()
    field.conductor = other
    await field.beat(count=3)
    assert await field.outcomes(event_id) == {"CP1": "taken"}
    assert len(field.sent("SetChargingProfile")) == 1


async def test_a_site_is_limited_through_its_windows(field: Field) -> None:
    """An event of a site sends nothing itself: its circuit has a window, of a share from its start on."""
    await field.dial("CP1")
    site = Site(
        name="depot",
        circuits=(Circuit(name="main", capacity=Amount(amps=(630, 630, 630))),),
        stations=(Place(station_id="CP1", circuit="main"),),
    )
    await sites.put(field.lane, site)
    await field.event(site="depot", amount=Amount(watts=20_000))
    share = await field.event(site="depot", percent=50)
    before = await demand.windows(field.lane, site)
    assert [(one.circuit, one.cap) for one in before] == [("main", Amount(watts=20_000))]
    await field.beat()
    found = await demand.windows(field.lane, site)
    assert {one.cap for one in found} == {Amount(watts=20_000), Amount(watts=0)}
    assert await field.outcomes(share) == {"CP1": "site"}
    assert not field.calls
    missing = await field.event(site="nowhere", percent=1)
    await field.beat()
    assert ((await field.shown(missing)).state, (await field.shown(missing)).detail) == (
        "ended",
        "there is no site nowhere",
    )


def test_names_are_of_nobody_else() -> None:
    """No profile of a library or a site has the name of an event's."""
    assert holding.name_of("x") == "demand:x"
