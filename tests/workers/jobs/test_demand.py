"""Demand response on a real Valkey, moved beat by beat: begin, limits on stations, measures, end, cancel, takeover."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from shared.bus import demand_keys, keys
from shared.bus.clock import now_ms
from shared.bus.lane import Lane, LaneLost
from shared.envelopes import Command, Kind
from shared.ocpp.timestamps import format_time
from shared.policy import Policy
from shared.records.demand import DemandEvent, DemandRecord, DemandStation
from shared.records.packing import unpack
from shared.records.profiles import Assigned, Limits, Period, Profile, Purpose, Unit, slot_of
from shared.records.queries import demand, profiles, sites
from shared.records.sites import Amount, Circuit, Place, Site
from shared.settings import Settings
from shared.smartcharging.demand import watts_of
from shared.smartcharging.validation import StationLimits
from tests.support import wait_until
from tests.workers.jobs.stage import Station, System, stage
from workers.jobs.demand import beginning, holding, measuring, runner
from workers.jobs.demand.measuring import Span, measure
from workers.jobs.demand.runner import Conductor
from workers.jobs.sites import limiting
from workers.services import registration

MINUTE_MS = 60_000


class Field:
    """A conductor whose waits are none, and stations that answer what they are sent."""

    def __init__(self, system: System, settings: Settings) -> None:
        self.system = system
        self.lane = system.lane
        self.settings = settings
        self.ahead_ms = 0  # How far the conductor's clock is ahead of Redis's.
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
        return await now_ms(self.lane)

    async def conductors_time(self, lane: Lane) -> int:
        """Return what a conductor takes for now."""
        return await now_ms(lane) + self.ahead_ms

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
            made = Field(system, settings)
            with patch.object(runner, "now_ms", made.conductors_time):
                yield made


async def test_stations_get_a_limit_and_lose_it(field: Field) -> None:
    """Each station of an event gets its maximum for that time; when it is over it is taken back, and nobody waits."""
    await field.dial("CP1", "CP2", "CP3")
    event_id = await field.event(stations=("CP1", "CP2"), amount=Amount(watts=4000))
    await field.beat()
    assert (await field.shown(event_id)).state == "running"
    assert await field.outcomes(event_id) == {"CP1": "taken", "CP2": "taken"}
    sent = dict(field.sent("SetChargingProfile"))
    assert set(sent) == {"CP1", "CP2"}
    profile = sent["CP1"]["csChargingProfiles"]
    assert (sent["CP1"]["connectorId"], profile["chargingProfilePurpose"]) == (0, "ChargePointMaxProfile")
    assert profile["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 4000.0}]
    assert profile["validTo"] > profile["chargingSchedule"]["startSchedule"]
    assert "validFrom" not in profile
    field.ahead_ms = 10 * MINUTE_MS

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
    profiles_sent = [payload["csChargingProfiles"] for _, payload in field.sent("SetChargingProfile")]
    assert [one["chargingProfilePurpose"] for one in profiles_sent] == ["ChargePointMaxProfile", "TxDefaultProfile"]
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


async def test_an_event_that_is_cancelled_as_it_begins(field: Field) -> None:
    """Who cancels while it is being begun has it neither told nor sent."""
    await field.dial("CP1")
    event_id = await field.event(stations=("CP1",), amount=Amount(watts=7000))
    begin = beginning.begin

    async def interrupted(lane: Lane, record: DemandRecord, now: int) -> DemandRecord:
        running = await begin(lane, record, now)
        assert await demand.cancel(lane, event_id, now, "ann") is not None
        return running

    with patch.object(beginning, "begin", interrupted):
        await field.beat(count=2)
    assert (await field.shown(event_id)).state == "cancelled"
    assert not await field.events("demand.started")
    assert not field.sent("SetChargingProfile")


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
    await field.conductor.lease.resign()
    field.conductor = other
    await field.beat(count=3)
    assert await field.outcomes(event_id) == {"CP1": "taken"}
    assert len(field.sent("SetChargingProfile")) == 1


class Dying:
    """A lane that is cut at its nth use: before what it was to do, or right after."""

    def __init__(self, lane: Lane, uses: int, *, after: bool) -> None:
        self._lane = lane
        self._uses = uses
        self._after = after

    async def execute(self, commands: Any, **more: Any) -> Any:
        """Run commands, or die."""
        self._uses -= 1
        if self._uses < 0 or (self._uses == 0 and not self._after):
            raise LaneLost("killed")
        found = await self._lane.execute(commands, **more)
        if self._uses == 0:
            raise LaneLost("killed")
        return found

    async def one(self, *command: Any) -> Any:
        """Run one command, or die."""
        (found,) = await self.execute([command])
        return found


@pytest.mark.parametrize("after", [False, True])
async def test_dying_at_any_point_leaves_nothing_undone(field: Field, after: bool) -> None:
    """Wherever a conductor dies the next one brings the event to its end: told once, and nothing is left behind."""
    await field.dial("CP1")
    for uses in (3, 5, 7, 9, 11, 13):
        event_id = await field.event(stations=("CP1",), amount=Amount(watts=7000))
        doomed: Any = Dying(field.lane, uses, after=after)
        with contextlib.suppress(LaneLost):
            await Conductor(doomed, field.settings, field.system.partitions, "doomed").beat()
        await field.lane.one("DEL", demand_keys.RUNNER)
        await field.beat(count=2)
        assert await field.outcomes(event_id) == {"CP1": "taken"}, uses
        doomed = Dying(field.lane, uses, after=after)
        await demand.cancel(field.lane, event_id, await field.now(), "ann")
        await field.lane.one("DEL", demand_keys.RUNNER)
        with contextlib.suppress(LaneLost):
            await Conductor(doomed, field.settings, field.system.partitions, "doomed").beat()
        await field.lane.one("DEL", demand_keys.RUNNER)
        await field.beat(count=1)
        assert not await demand.active(field.lane), uses
        assert not (await profiles.of_station(field.lane, "CP1")).limits.by_slot, uses
        for kind in ("demand.started", "demand.ended"):
            told = {one["id"] for one in await field.events(kind) if one["event_id"] == event_id}
            assert len(told) == 1, (kind, uses)


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
    held = await limiting.read(field.lane, site, await field.now())
    assert held.temporary["main"].amount == Amount(watts=0)
    assert await field.outcomes(share) == {"CP1": "site"}
    assert not field.calls
    missing = await field.event(site="nowhere", percent=1)
    await field.beat()
    ended = await field.shown(missing)
    assert (ended.state, ended.detail) == ("ended", "there is no site nowhere")


async def test_what_stations_drew(field: Field) -> None:
    """By the register between two readings, open or closed; by power of all phases without it; nothing when idle."""
    await field.dial("CP1", "CP2")
    now = await field.now()
    station = field.stations["CP1"]
    begun = {"connectorId": 1, "idTag": "T", "meterStart": 1000, "timestamp": format_time(now - 40 * MINUTE_MS)}
    number = (await station.call("StartTransaction", begun))[2]["transactionId"]

    async def tell(minutes: int, **values: str) -> None:
        samples = [{"measurand": name.replace("_", "."), "value": value} for name, value in values.items()]
        reading = {"timestamp": format_time(now + minutes * MINUTE_MS), "sampledValue": samples}
        await station.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [reading]})

    await tell(-30, Energy_Active_Import_Register="3000", Power_Active_Import="6100")
    await tell(-10, Energy_Active_Import_Register="5000")
    await tell(-2, Energy_Active_Import_Register="5400")
    spans = [Span(now - one * MINUTE_MS, now - other * MINUTE_MS) for one, other in ((30, 10), (10, 0), (50, 40))]
    found = await measure(field.lane, ["CP1", "CP2"], spans)
    assert [one.mean_w for one in found["CP1"]] == [6000, 3000, 0]
    assert [one.peak_w for one in found["CP1"]] == [6100, 3000, None]
    assert [one.mean_w for one in found["CP2"]] == [0, 0, 0]
    with patch.object(measuring, "READINGS", 1):
        assert await measure(field.lane, ["CP1", "CP2"], spans) == found, "more than is read at once"
    over = {"transactionId": number, "meterStop": 5400, "timestamp": format_time(now - 2 * MINUTE_MS)}
    await station.call("StopTransaction", over)
    await field.system.settle()
    assert [one.mean_w for one in (await measure(field.lane, ["CP1"], spans))["CP1"]] == [6000, 2400, 0]


def _other(limit: int, *, level: int = 0, purpose: Purpose = "station_max") -> Assigned:
    profile = Profile(
        profile_id=1, purpose=purpose, kind="absolute", unit="A", periods=(Period(0, 320), Period(9, limit)),
        stack_level=level, start_at=0,
    )  # fmt: skip
    return Assigned(profile=profile, state="verified")


@pytest.mark.parametrize(
    ("wanted", "held", "takes", "sent"),
    [
        ({"amount": Amount(watts=6900)}, [], StationLimits(), ("W", 69_000, 0)),
        ({"amount": Amount(watts=6900)}, [], StationLimits(units=frozenset[Unit](("A",))), ("A", 100, 0)),
        ({"amount": Amount(amps=(160, 130, 160))}, [], StationLimits(), ("A", 130, 0)),
        ({"amount": Amount(amps=(160, 160, 160))}, [_other(100, level=2)], StationLimits(), ("A", 100, 3)),
        ({"amount": Amount(amps=(80, 80, 80))}, [_other(100, level=2)], StationLimits(), ("A", 80, 3)),
        ({"amount": Amount(amps=(80, 80, 80))}, [_other(10, purpose="default")], StationLimits(), ("A", 80, 0)),
        ({"amount": Amount(amps=(40, 40, 40))}, [], StationLimits(min_current=60), ("A", 0, 0)),
        ({"amount": Amount(amps=(0, 0, 0))}, [], StationLimits(zero_ends=True), ("A", 60, 0)),
    ],
)
def test_the_profile_of_a_station(
    wanted: dict[str, Any], held: list[Assigned], takes: StationLimits, sent: tuple[str, int, int]
) -> None:
    """In the unit that it takes, above what it has and never higher than that; its minimum where 0 would end it."""
    event = DemandEvent(event_id="e", start_at=1000, end_at=9000, **wanted)
    row = DemandStation(limit_w=watts_of(event.cap or Amount()))
    limits = Limits({slot_of(one.profile): one for one in held})
    after, profile = holding.step(event, row, holding.Held(limits, takes), 1000)
    assert profile is not None
    assert (profile.unit, profile.periods[0].limit, profile.stack_level) == sent
    assert (after.outcome, after.purpose, profile.valid_to) == ("sent", "station_max", 9000)


def test_a_station_whose_stack_is_full() -> None:
    """Where there is no level above what it has, the other purpose is tried, and then it is told as refusing."""
    event = DemandEvent(event_id="e", start_at=1000, end_at=9000, amount=Amount(watts=1000))
    takes = StationLimits(max_stack_level=2)
    full = [_other(100, level=2)]
    limits = Limits({slot_of(one.profile): one for one in full})
    after, _ = holding.step(event, DemandStation(), holding.Held(limits, takes), 1000)
    assert after.purpose == "default"
    both = [*full, _other(100, level=2, purpose="default")]
    limits = Limits({slot_of(one.profile): one for one in both})
    after, profile = holding.step(event, DemandStation(), holding.Held(limits, takes), 1000)
    assert (after.outcome, profile) == ("refused", None)
    assert "stack_level" in after.detail


def test_names_are_of_nobody_else() -> None:
    """No profile of a library or a site has the name of an event's."""
    assert holding.name_of("x") == "demand:x"
