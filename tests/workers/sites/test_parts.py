"""The parts of a round: what a meter says by phase, what the tree takes at a moment, what a station may still draw."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from shared.records.prices import PriceInterval
from shared.records.profiles import Assigned, AssignedState, Limits, Period, Profile, slot_of
from shared.records.requests import AssignProfile
from shared.records.sites import Amount, BaseLoad, Circuit, LoadReading, Place, Site
from shared.records.transactions import Plan, Reading, Sample, Transaction
from shared.smartcharging.metering import direct_w
from shared.smartcharging.validation import StationLimits
from workers.jobs.sites.deciding import Decision, Moment, decide
from workers.jobs.sites.knowing import LOST_MS, NEVER, SETTLE_MS, Run, Told
from workers.jobs.sites.seeing import Seen, drawn
from workers.jobs.sites.tree import Temporary, nodes
from workers.services.smartcharging import obeying

NOW = 1_700_000_000_000
"""22:13 UTC."""
HOUR = 3_600_000
PLACE = Place(station_id="CP1", circuit="main", rotation="STR")
SITE = Site(
    name="yard", circuits=(Circuit(name="main", capacity=Amount((320, 320, 320))),), stations=(PLACE,), zone="UTC"
)


def reading(*samples: tuple[str, float, str, str]) -> tuple[Reading, ...]:
    """Return a reading of (measurand, value, unit, phase)."""
    return (Reading(NOW, tuple(Sample(name, value, unit, phase) for name, value, unit, phase in samples), NOW, 1),)


def test_a_meter_by_phases_of_the_grid() -> None:
    """Currents go where the rotation has them; power is spread over the phases that are known; energy tells nothing."""
    currents = reading(("Current.Import", 16.0, "A", "L1"), ("Current.Import", 0.2, "A", "L2"))
    found = drawn(currents, PLACE, 230, ())
    assert found is not None
    assert (found.amps, found.phases) == ((0, 160, 2), (1,))
    for known, amps in [((), (53, 53, 53)), ((1,), (0, 160, 0))]:
        found = drawn(reading(("Power.Active.Import", 3680.0, "W", "")), PLACE, 230, known)
        assert found is not None
        assert (found.amps, found.phases) == (amps, ())
    assert drawn(reading(("Energy.Active.Import.Register", 5, "Wh", "")), PLACE, 230, ()) is None


def test_direct_current_is_none_of_the_grids() -> None:
    """Where a car of direct current charges its power counts, on all phases; one of alternating current is as told."""
    current, power = ("Current.Import", 16.9, "A", ""), ("Power.Active.Import", 5590.0, "W", "")
    for more in (("SoC", 12.0, "Percent", ""), ("Voltage", 331.0, "V", "")):
        found = drawn(reading(current, power, more), PLACE, 230, (1,))
        assert found is not None
        assert (found.amps, found.phases) == ((81, 81, 81), ())
    assert direct_w(reading(current, ("SoC", 12.0, "Percent", ""), ("Voltage", 331.0, "V", ""))[0].samples) == 5593.9
    for voltage in (230.0, 400.0):  # 400 V are of two phases; three phases carry 1.7 times their product.
        grid = reading(current, ("Power.Active.Import", 16.9 * 230 * 3, "W", ""), ("Voltage", voltage, "V", ""))
        found = drawn(grid, PLACE, 230, ())
        assert found is not None
        assert found.amps == (169, 169, 169)


def test_what_flows_into_the_station_is_not_the_cars() -> None:
    """Where the outlet and the inlet are measured the outlet counts; the inlet does where there is nothing else."""
    inlet, outlet = Sample("Current.Import", 40.0, "A", "L1", "Inlet"), Sample("Current.Import", 10.0, "A", "L1")
    for samples, amps in (((outlet, inlet), 100), ((inlet, outlet), 100), ((inlet,), 400)):
        found = drawn((Reading(NOW, samples, NOW, 1),), PLACE, 230, ())
        assert found is not None
        assert found.amps == (0, amps, 0)
        assert obeying.drawn(Reading(NOW, samples, NOW, 1))[0] == ("A", amps)


def test_what_a_circuit_takes_at_a_moment() -> None:
    """Base loads add up to the root; the hour is the site's own; a fresh reading goes before the estimate."""
    hours = tuple(Amount((hour, hour, hour)) for hour in range(24))
    site = Site(
        name="s",
        zone="Europe/Berlin",
        circuits=(
            Circuit(name="main", capacity=Amount((630, 630, 630), 20_000), base_load=BaseLoad(hours=hours)),
            Circuit(name="row", parent="main", capacity=Amount(None, 6900)),
        ),
    )
    loads = {"row": LoadReading(amount=Amount(None, 690), at=NOW - 1000)}
    temporary = {"main": Temporary(Amount((400, 700, 700)), "e1")}
    main, row = nodes(site, loads, temporary, NOW)
    assert main.circuit.base_load == (33, 33, 33)  # 23:13 in Berlin, and 10 of each phase below.
    assert (main.limit, main.limit_w, main.window) == ((400, 630, 630), 20_000, "e1")
    assert main.circuit.total == 20_000 * 10 // 230
    assert (row.limit, row.base_source) == (None, "reading")
    old = {"row": LoadReading(amount=Amount(None, 690), at=NOW - HOUR), "main": LoadReading(amount=Amount(), at=0)}
    main, row = nodes(site, old, {}, NOW)
    assert (main.base_source, row.base_source) == ("estimate", "stale")


def assigned(version: int, state: AssignedState, at: int, name: str = "site:yard") -> Assigned:
    """Return what a station's record says."""
    profile = Profile(profile_id=1, purpose="default", kind="absolute", unit="A", periods=(Period(0, 0),))
    return Assigned(profile=profile, name=name, version=version, state=state, accepted_at=at)


def test_what_may_be_drawn_until_it_is_known() -> None:
    """A lower limit counts when the car has followed, a refused one not at all, a lost one is sent anew."""
    told = Told()
    assert told.holds(320) == 320
    told.send(160, 1, 0)
    told.take_in(assigned(1, "accepted", 0), "site:yard", SETTLE_MS)
    assert (told.holds(320), told.pending) == (160, False)
    told.send(60, 2, 10_000)
    told.take_in(assigned(2, "accepted", 11_000), "site:yard", 12_000)
    assert (told.holds(320), told.pending) == (160, False)
    told.take_in(assigned(2, "accepted", 11_000), "site:yard", 11_000 + SETTLE_MS)
    assert told.holds(320) == 60
    told.send(200, 3, 20_000)
    assert (told.holds(320), told.pending) == (200, True)
    told.take_in(assigned(3, "refused", 0), "site:yard", 21_000)
    assert (told.holds(320), told.limit, told.refusals) == (60, 60, 1)
    told.send(100, 4, 30_000)
    told.take_in(assigned(3, "refused", 0), "site:yard", 30_000 + LOST_MS)
    assert (told.holds(320), told.refusals) == (60, 2)
    told.take_in(assigned(9, "accepted", 0, "night"), "site:yard", 70_000)  # Also of a greater number.
    assert (told.holds(320), told.limit) == (320, NEVER), "somebody else's is in its place"


def test_what_may_be_lost_counts_with_its_highest() -> None:
    """After a boot, or without an answer, both what was there and what was sent may hold, until it is told anew."""
    told = Told()
    told.send(160, 1, 0)
    told.take_in(assigned(1, "accepted", 0), "site:yard", 9_000)
    told.forget()
    for _ in range(2):
        told.take_in(assigned(1, "accepted", 0), "site:yard", 10_000)
        assert (told.holds(60), told.holds(320), told.limit) == (160, 320, NEVER)
    told.send(100, 2, 20_000)
    told.take_in(assigned(2, "unconfirmed", 0), "site:yard", 60_000)
    assert (told.holds(60), told.limit) == (160, NEVER)
    told.take_in(assigned(2, "verified", 0), "site:yard", 70_000)
    assert told.holds(60) == 160
    told.send(100, 3, 80_000)
    told.take_in(assigned(3, "accepted", 81_000), "site:yard", 90_000)
    assert told.holds(320) == 100


def decided(seen: Seen, site: Site = SITE, run: Run | None = None, **more: object) -> Decision:
    """Decide a round about one station."""
    moment = msgspec.structs.replace(Moment(now=NOW, seen={"CP1": seen}), **more)
    return decide(site, run or Run(), moment)


def station(**more: object) -> Seen:
    """Return a station that is there."""
    made = Seen(known=True, online=True, ever=True, booted_at=1, readings={})
    for name, value in more.items():
        setattr(made, name, value)
    return made


def transaction(**more: object) -> Transaction:
    """Return an open transaction."""
    made = Transaction(
        transaction_id=7, station_id="CP1", connector_id=1, id_tag="T", started_at=NOW, received_at=NOW,
        meter_start_wh=0, start_key="",
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


@pytest.mark.parametrize(
    ("seen", "state", "may_draw"),
    [
        (station(), "idle", 320),
        (station(online=False), "offline", 320),
        (station(ever=False, online=False), "unknown", 0),
        (Seen(), "unknown", 0),
        (station(running={1: transaction()}), "charging", 320),
        (station(running={1: transaction()}, online=False), "offline", 320),
    ],
)
def test_what_was_never_told_counts_whole(seen: Seen, state: str, may_draw: int) -> None:
    """Nothing that a station says of itself makes it count less than its fuse until it has taken a limit."""
    (one,) = decided(seen).state.connectors
    assert (one.state, one.may_draw) == (state, may_draw)


def test_what_a_station_takes_is_what_it_is_sent() -> None:
    """Watts where it takes no amperes, its highest stack level, no limit of 0 where that ends the session."""
    takes = StationLimits(
        units=frozenset({"W"}), max_stack_level=30, zero_ends=True, refused_kinds=frozenset({"absolute"})
    )
    small = msgspec.structs.replace(SITE, circuits=(Circuit(name="main", capacity=Amount((10, 10, 10))),))
    ((name, ask),) = decided(station(takes=takes), small).asks
    profile = getattr(ask, "profile", None)
    assert isinstance(profile, Profile)
    assert (name, profile.purpose, profile.unit, profile.stack_level, profile.kind) == (
        "CP1",
        "default",
        "W",
        8,
        "relative",
    )
    assert profile.periods == (Period(0, 60 * 230 * 3),)
    ((_, ask),) = decided(station(), small).asks
    profile = getattr(ask, "profile", None)
    assert isinstance(profile, Profile)
    assert profile.periods == (Period(0, 0),)


def test_the_stack_level_follows_what_is_known() -> None:
    """A site that began before its station said its highest level moves there, and down where nothing stands above."""
    seen, run, levels = station(), Run(), []
    for second, highest in enumerate([None, None, 5, 5, None, 2, 3, 3]):
        now = NOW + second * 60_000
        seen.takes = StationLimits(max_stack_level=highest)
        for _, ask in decided(seen, SITE, run, now=now).asks:
            assert isinstance(ask, AssignProfile)
            levels.append((second, ask.profile.stack_level))
            one = msgspec.structs.replace(assigned(ask.version, "accepted", now), profile=ask.profile)
            seen.limits = Limits({**seen.limits.by_slot, slot_of(ask.profile): one})
    assert levels == [(0, 0), (2, 5)], "what was taken at level 5 prevails, whatever is said later"
    seen.limits = Limits({})
    for second, highest in ((10, 2), (11, 2)):
        seen.takes = StationLimits(max_stack_level=highest)
        for _, ask in decided(seen, SITE, run, now=NOW + second * 60_000).asks:
            assert isinstance(ask, AssignProfile)
            levels.append((second, ask.profile.stack_level))
    assert levels[2:3] == [(10, 2)]


def test_ramps_and_hysteresis() -> None:
    """A limit rises by the ramp and no more, not for a trifle, and not before the station's turn."""
    site = msgspec.structs.replace(SITE, ramp=20, hysteresis=10, command_interval_s=30)
    seen, run = station(running={1: transaction()}), Run()
    limits: list[tuple[int, int]] = []
    capacities = [320, 100, 105, 300, 300, 300]
    for second in range(0, 60 * len(capacities), 20):
        now, capacity = NOW + second * 1000, capacities[second // 60]
        site = msgspec.structs.replace(site, circuits=(Circuit(name="main", capacity=Amount((capacity,) * 3)),))
        for _, ask in decided(seen, site, run, now=now).asks:
            profile = getattr(ask, "profile", None)
            assert isinstance(profile, Profile)
            if profile.purpose == "transaction":
                limits.append((second, profile.periods[0].limit))
            slot = f"{profile.purpose}/{profile.connector_id}/0"
            one = msgspec.structs.replace(assigned(getattr(ask, "version", 0), "accepted", now), profile=profile)
            seen.limits = Limits({**seen.limits.by_slot, slot: one})
    # At once where the circuit is above its limit; 105 A is a trifle more; then 2 A a minute, since the last change.
    assert limits[:3] == [(0, 320), (60, 100), (180, 140)]
    assert all(later - earlier >= 30 for (earlier, _), (later, _) in itertools.pairwise(limits[1:]))
    assert limits[-1][1] <= 100 + 20 * 5


def test_cheap_hours_are_waited_for() -> None:
    """Under `deadline` a plan with time to spare waits for a cheaper hour; without time, or prices, it charges."""
    site = msgspec.structs.replace(SITE, strategy="deadline")
    prices = (PriceInterval(NOW - HOUR, NOW + HOUR, 0.5), PriceInterval(NOW + HOUR, NOW + 9 * HOUR, 0.1))
    easy = Plan(energy_wh=5_000, departs_at=NOW + 8 * HOUR)
    hurried = Plan(energy_wh=40_000, departs_at=NOW + 2 * HOUR)
    for plan, known, wanted in [(easy, prices, 0), (easy, (), 320), (hurried, prices, 320), (None, prices, 320)]:
        found = decided(station(running={1: transaction(plan=plan)}), site, prices=known)
        assert [one.wanted for one in found.state.connectors] == [wanted]


# ── what keeps stations from being flooded, accused or trusted too soon ──────────────────────────────────────────────


def taken(seen: Seen, found: Decision, now: int) -> list[tuple[str, int]]:
    """Let a station accept what it is asked, and return (purpose, limit) of that."""
    told: list[tuple[str, int]] = []
    for _, ask in found.asks:
        assert isinstance(ask, AssignProfile)
        one = msgspec.structs.replace(assigned(ask.version, "accepted", now), profile=ask.profile)
        seen.limits = Limits({**seen.limits.by_slot, slot_of(ask.profile): one})
        told.append((ask.profile.purpose, ask.profile.periods[0].limit))
    return told


def metered(amperes: float, at: int) -> tuple[Reading, ...]:
    """Return a reading of three phases."""
    return (Reading(at, tuple(Sample("Current.Import", amperes, "A", f"L{n}") for n in (1, 2, 3)), at, 1),)


def of(amperes: int, **more: object) -> Site:
    """Return the site with another capacity."""
    circuit = Circuit(name="main", capacity=Amount((amperes * 10,) * 3))
    return msgspec.structs.replace(SITE, circuits=(circuit,), **more)


def test_after_a_boot_it_is_told_again() -> None:
    """Some forget what they were told: until it is told anew a station counts with all that it can draw."""
    seen, run = station(), Run()
    assert taken(seen, decided(seen, run=run), NOW) == [("default", 60)]
    assert decided(seen, run=run, now=NOW + 20_000).state.connectors[0].may_draw == 60
    seen.booted_at = NOW + 25_000
    again = decided(seen, run=run, now=NOW + 30_000)
    assert again.state.connectors[0].may_draw == 320
    assert taken(seen, again, NOW + 30_000) == [("default", 60)]
    assert not decided(seen, run=run, now=NOW + 60_000).asks


def test_no_station_is_flooded() -> None:
    """Whatever changes, a station hears of it two seconds apart at the most, and while it answers only of relief."""
    seen, run = station(running={1: transaction()}), Run()
    at = []
    for second in range(40):
        site = of(20 + second % 2 * 5, command_interval_s=0, hysteresis=0)
        if taken(seen, decided(seen, site, run, now=NOW + second * 1000), NOW + second * 1000):
            at.append(second)
    assert len(at) > 3
    assert min(later - earlier for earlier, later in itertools.pairwise(at)) >= 2
    quiet = station(running={1: transaction()})
    run = Run()
    taken(quiet, decided(quiet, of(20), run), NOW)
    hurried = {"command_interval_s": 0}
    assert decided(quiet, of(12, **hurried), run, now=NOW + 20_000).asks
    assert not decided(quiet, of(11, **hurried), run, now=NOW + 21_000).asks, "not even of relief"
    assert not decided(quiet, of(20, **hurried), run, now=NOW + 25_000).asks, "it has not answered"
    assert decided(quiet, of(9, **hurried), run, now=NOW + 25_000).asks, "relief does not wait for that"


def test_room_for_whoever_begins_has_to_last() -> None:
    """A default limit rises only where there was room for a minute: else it would follow every car."""
    seen, run = station(), Run()
    assert taken(seen, decided(seen, of(5), run), NOW) == [("default", 0)]
    for second in (30, 60, 80):
        assert not decided(seen, of(20), run, now=NOW + second * 1000).asks
    assert not decided(seen, of(5), run, now=NOW + 85_000).asks
    assert not decided(seen, of(20), run, now=NOW + 100_000).asks, "the minute begins anew"
    assert taken(seen, decided(seen, of(20), run, now=NOW + 161_000), NOW) == [("default", 60)]


def test_who_did_not_obey_is_watched() -> None:
    """A reading just after a change accuses nobody; who disobeyed once counts whole until a meter saw the new limit."""
    seen, run, site = station(running={1: transaction()}), Run(), of(20)
    taken(seen, decided(seen, site, run), NOW)
    now = NOW + 60_000
    lower = decided(seen, of(10), run, now=now)
    taken(seen, lower, now)
    seen.readings[7] = metered(20, now + 4_000)  # It was allowed this until now.
    (one,) = decided(seen, of(10), run, now=now + 6_000).state.connectors
    assert one.state == "charging"
    seen.readings[7] = metered(20, now + 15_000)
    (one,) = decided(seen, of(10), run, now=now + 16_000).state.connectors
    assert (one.state, one.may_draw) == ("disobeys", 200)
    seen.readings[7] = metered(9, now + 30_000)
    (one,) = decided(seen, of(10), run, now=now + 31_000).state.connectors
    assert (one.state, one.may_draw) == ("charging", 100)
    taken(seen, decided(seen, of(8), run, now=now + 60_000), now + 60_000)
    (one,) = decided(seen, of(8), run, now=now + 70_000).state.connectors
    assert one.may_draw == 320, "it may not obey this one either, and no meter has told"


def test_a_schedule_that_allows_more_counts_whole() -> None:
    """Where no meter tells, a station that computes more than it was told counts with its fuse."""
    seen, run = station(running={1: transaction()}), Run()
    taken(seen, decided(seen, of(20), run), NOW)
    slots = {
        slot: msgspec.structs.replace(one, state="differs") if slot.startswith("transaction") else one
        for slot, one in seen.limits.by_slot.items()
    }
    seen.limits = Limits(slots)
    (one,) = decided(seen, of(20), run, now=NOW + 20_000).state.connectors
    assert one.may_draw == 320


def test_what_was_taken_off_holds_no_more() -> None:
    """While a probe has a station's profiles off it counts with its fuse; it is asked once for what is to come back."""
    seen, run = station(running={1: transaction()}), Run()
    taken(seen, decided(seen, of(20), run), NOW)
    assert decided(seen, of(20), run, now=NOW + 20_000).state.connectors[0].may_draw == 200
    aside = {slot: msgspec.structs.replace(one, state="wanted") for slot, one in seen.limits.by_slot.items()}
    seen.limits = Limits(aside)
    again = decided(seen, of(20), run, now=NOW + 40_000)
    assert again.state.connectors[0].may_draw == 320
    for _, ask in again.asks:
        assert isinstance(ask, AssignProfile)
        waits = msgspec.structs.replace(assigned(ask.version, "wanted", NOW), profile=ask.profile)
        seen.limits = Limits({**seen.limits.by_slot, slot_of(ask.profile): waits})
    for second in (60, 90, 200):
        found = decided(seen, of(20), run, now=NOW + second * 1000)
        assert found.state.connectors[0].may_draw == 320
        assert not found.asks
