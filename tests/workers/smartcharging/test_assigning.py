"""Charging profiles on their way to a station: sent, answered, verified, cleared, and whether they are obeyed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.envelopes import Command
from shared.ocpp import frames
from shared.ocpp.timestamps import format_time
from shared.ocpp.versions import OCPP16
from shared.policy import Policy
from shared.records.events import LimitExceeded, ProfileChanged
from shared.records.profiles import Assigned, Limits, Period, Profile, Unit
from shared.records.requests import AssignProfile, ClearProfile
from tests.ocpp.schemas import case_of
from tests.workers.harness import START_MS, World
from workers.services.smartcharging.assigning import MAX_PROFILES

BOOT = {"chargePointVendor": "Volt", "chargePointModel": "One"}
DEFAULT = Profile(
    profile_id=0, purpose="default", kind="absolute", unit="A", periods=(Period(0, 160),), start_at=START_MS
)
OWN = msgspec.structs.replace(DEFAULT, purpose="transaction", connector_id=1, periods=(Period(0, 100),))


@pytest.fixture
def world() -> World:
    """A station that is accepted and charges on connector 1."""
    world = World(policy=Policy(unknown_stations="accept", unknown_tags="accept"))
    world.open()
    world.call("BootNotification", BOOT)
    world.advance(2)
    return world


def start(world: World) -> int:
    """Start a transaction on connector 1."""
    payload = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": format_time(world.now)}
    number: int = world.call("StartTransaction", payload)[2]["transactionId"]
    return number


def sent(world: World) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (message id, action, payload) of every command that went out; each is valid by its schema."""
    found = []
    for item in world.items_of(Command):
        frame = frames.decode(item.frame)
        assert isinstance(frame, frames.Call)
        payload = msgspec.json.decode(frame.payload)
        case_of(OCPP16, frame.action).validator.validate(payload)
        found.append((frame.message_id, frame.action, payload))
    return found


def assigned(world: World) -> dict[str, Assigned]:
    """Return the station's profiles by slot."""
    return world.view.limits.by_slot


def states(world: World) -> list[str]:
    """Return the states that were announced, in order."""
    return [event.state for event in world.events_of(ProfileChanged)]


def schedule(limit: float, **more: Any) -> dict[str, Any]:
    """Return a composite schedule of one limit."""
    periods = [{"startPeriod": 0, "limit": limit}]
    inner = {"chargingRateUnit": "A", "chargingSchedulePeriod": periods, "duration": 3600}
    return {"status": "Accepted", "connectorId": 1, "chargingSchedule": inner} | more


def test_a_profile_is_set_and_verified(world: World) -> None:
    """It goes out as the standard has it; accepted, the station is asked for its schedule, which agrees."""
    status, body = world.request(AssignProfile(request_id="r1", profile=DEFAULT, name="night", version=3))
    assert (status, msgspec.convert(body, Assigned).state, body["profile"]["profile_id"]) == (202, "wanted", 1)
    ((message_id, action, payload),) = sent(world)
    assert (action, payload["connectorId"]) == ("SetChargingProfile", 0)
    assert payload["csChargingProfiles"] == {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "startSchedule": format_time(START_MS),
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
        },
    }
    world.answer(message_id, {"status": "Accepted"})
    question = sent(world)[-1]
    assert question[1:] == ("GetCompositeSchedule", {"connectorId": 1, "duration": 3600, "chargingRateUnit": "A"})
    world.answer(question[0], schedule(16.0))
    (one,) = assigned(world).values()
    assert (one.state, one.name, one.version, one.detail) == ("verified", "night", 3, "")
    assert states(world) == ["wanted", "accepted", "verified"]


def test_a_schedule_that_allows_more_differs(world: World) -> None:
    """A station that accepted and computes more than its profiles allow is flagged, with the evidence."""
    world.request(AssignProfile(request_id="r1", profile=DEFAULT))
    world.answer(sent(world)[-1][0], {"status": "Accepted"})
    world.answer(sent(world)[-1][0], schedule(32.0))
    (one,) = assigned(world).values()
    assert one.state == "differs"
    assert "it would allow 32 A, its profiles allow 16 A" in one.detail
    assert world.view.station is not None
    assert "schedule_differs" in world.view.station.flags


@pytest.mark.parametrize("answer", [{"status": "Rejected"}, {}, {"status": "Accepted"}, {"chargingSchedule": 7}])
def test_a_station_that_gives_no_schedule_stays_accepted(world: World, answer: Any) -> None:
    """What can't be verified is said to be so, and is no fault."""
    world.request(AssignProfile(request_id="r1", profile=DEFAULT))
    world.answer(sent(world)[-1][0], {"status": "Accepted"})
    world.answer(sent(world)[-1][0], answer)
    (one,) = assigned(world).values()
    assert one.state == "accepted"
    assert one.detail.startswith("not verified: ")


def test_a_refusal_says_why(world: World) -> None:
    """A profile that the station refuses is kept as refused; a new one in its place takes its id."""
    world.request(AssignProfile(request_id="r1", profile=DEFAULT))
    world.answer(sent(world)[-1][0], {"status": "NotSupported"})
    (one,) = assigned(world).values()
    assert (one.state, one.detail) == ("refused", "NotSupported")
    other = msgspec.structs.replace(DEFAULT, periods=(Period(0, 60),))
    world.request(AssignProfile(request_id="r2", profile=other))
    (again,) = assigned(world).values()
    assert (again.profile.profile_id, again.state) == (1, "wanted")


def test_no_answer_is_looked_into(world: World) -> None:
    """A profile whose answer never came may have been taken: the schedule tells."""
    world.request(AssignProfile(request_id="r1", profile=DEFAULT))
    world.advance(31)
    (one,) = assigned(world).values()
    assert one.state == "unconfirmed"
    world.answer(sent(world)[-1][0], schedule(16.0))
    assert [one.state for one in assigned(world).values()] == ["verified"]


def test_a_transactions_profile_goes_with_it(world: World) -> None:
    """It names its transaction, needs one, and is forgotten at its end."""
    assert world.request(AssignProfile(request_id="r0", profile=OWN))[0] == 409
    number = start(world)
    world.request(AssignProfile(request_id="r1", profile=OWN))
    assert sent(world)[-1][2]["csChargingProfiles"]["transactionId"] == number
    world.answer(sent(world)[-1][0], {"status": "Accepted"})
    stop = {"transactionId": number, "meterStop": 10, "timestamp": format_time(world.now)}
    world.call("StopTransaction", stop)
    assert assigned(world) == {}


def test_clearing(world: World) -> None:
    """A profile is cleared by its id; one that was never sent is simply cancelled; an unknown one is 404."""
    world.request(AssignProfile(request_id="r1", profile=DEFAULT))
    world.answer(sent(world)[-1][0], {"status": "Accepted"})
    world.answer(sent(world)[-1][0], schedule(16.0))
    assert world.request(ClearProfile(request_id="c0", profile_id=9))[0] == 404
    assert world.request(ClearProfile(request_id="c1", profile_id=1))[0] == 202
    assert sent(world)[-1][1:] == ("ClearChargingProfile", {"id": 1})
    world.answer(sent(world)[-1][0], {"status": "Unknown"})
    assert assigned(world) == {}
    world.close()
    world.request(AssignProfile(request_id="r2", profile=DEFAULT))
    world.request(ClearProfile(request_id="c2", profile_id=1))
    assert assigned(world) == {}
    assert not world.view.commands.queue


def test_who_draws_more_than_allowed_is_told_of(world: World) -> None:
    """Two readings in a row above the limit, a minute after it was accepted, are one event; one alone is none."""
    number = start(world)
    since_long = msgspec.structs.replace(OWN, start_at=START_MS - 3_600_000)
    world.request(AssignProfile(request_id="r1", profile=since_long))
    world.answer(sent(world)[-1][0], {"status": "Accepted"})

    def draw(amperes: float) -> None:
        world.advance(40)
        sample = {"value": str(amperes), "measurand": "Current.Import", "unit": "A", "phase": "L1"}
        reading = {"timestamp": format_time(world.now), "sampledValue": [sample]}
        world.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [reading]})

    for amperes in (30, 30, 10, 30, 11.5, 9, 30):  # The first is within the grace; 11.5 is within the tolerance.
        draw(amperes)
    assert not world.events_of(LimitExceeded)
    draw(31)
    (event,) = world.events_of(LimitExceeded)
    assert (event.measured, event.allowed, event.unit, event.transaction_id) == (31.0, 10.0, "A", number)
    assert world.view.station is not None
    assert "limit_exceeded" in world.view.station.flags
    (held,) = assigned(world).values()
    assert held.detail.endswith("it drew 31 A, 10 A were allowed")


@pytest.mark.parametrize(("grace_s", "readings"), [(5, 2), (600, 5)])
def test_how_soon_is_a_setting(grace_s: int, readings: int) -> None:
    """A limit counts once the setting's grace is over: the second reading after it is the first that is told of."""
    world = World(policy=Policy(unknown_stations="accept", unknown_tags="accept", limit_grace_ms=grace_s * 1000))
    world.open()
    world.call("BootNotification", BOOT)
    world.advance(2)
    number = start(world)
    world.request(AssignProfile(request_id="r1", profile=msgspec.structs.replace(OWN, start_at=START_MS - 3_600_000)))
    world.answer(sent(world)[-1][0], {"status": "Accepted"})
    taken = 0
    while not world.events_of(LimitExceeded) and taken < 8:
        taken += 1
        world.advance(6 if grace_s < 60 else 150)
        sample = {"value": "30", "measurand": "Current.Import", "unit": "A", "phase": "L1"}
        reading = {"timestamp": format_time(world.now), "sampledValue": [sample]}
        world.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [reading]})
    assert taken == readings


@pytest.mark.parametrize(
    ("unit", "limit", "samples", "accused"),
    [
        ("W", 36_800, {"Current.Import/L1": 16}, False),
        ("W", 36_800, {"Current.Import/L1": 16, "Current.Import/L2": 16}, True),
        ("W", 36_800, {"Current.Import/L1": 16, "Power.Active.Import/": 3680}, False),
        ("W", 36_800, {"Current.Import/L1": 9, "Power.Active.Import/": 6200}, True),
        ("A", 81, {"Current.Import/": 16.9, "Power.Active.Import/": 5590, "Voltage/": 331, "SoC/": 12}, False),
        ("A", 81, {"Current.Import/": 16.9, "Power.Active.Import/": 15_000, "Voltage/": 890, "SoC/": 12}, True),
    ],
)
def test_nobody_is_accused_by_a_conversion(
    world: World, unit: Unit, limit: int, samples: dict[str, float], accused: bool
) -> None:
    """A limit in W is held against watts, whatever phases a car has; of direct current the power counts."""
    number = start(world)
    own = msgspec.structs.replace(OWN, unit=unit, periods=(Period(0, limit),))
    world.request(AssignProfile(request_id="r1", profile=own))
    world.answer(sent(world)[-1][0], {"status": "Accepted"})
    units = {"Current.Import": "A", "Power.Active.Import": "W", "Voltage": "V", "SoC": "Percent"}
    for _ in range(4):
        world.advance(40)
        sampled = []
        for name, value in samples.items():
            measurand, _, phase = name.partition("/")
            one = {"value": str(value), "measurand": measurand, "unit": units[measurand]}
            sampled.append(one | ({"phase": phase} if phase else {}))
        reading = {"timestamp": format_time(world.now), "sampledValue": sampled}
        world.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [reading]})
    assert bool(world.events_of(LimitExceeded)) is accused


def test_what_waits_is_replaced_and_bounded(world: World) -> None:
    """A profile that had not been sent makes way for its successor; of one station so many are kept and no more."""
    world.close()
    world.request(AssignProfile(request_id="r1", profile=DEFAULT))
    world.request(AssignProfile(request_id="r2", profile=msgspec.structs.replace(DEFAULT, periods=(Period(0, 60),))))
    (one,) = assigned(world).values()
    assert one.profile.periods == (Period(0, 60),)
    assert [command.command_id for command in world.view.commands.queue] == [one.command_id]
    held = {f"default/0/{level}": one for level in range(MAX_PROFILES)}
    world.run(lambda draft: draft.put(Limits(held)))
    again = msgspec.structs.replace(DEFAULT, stack_level=MAX_PROFILES)
    assert world.request(AssignProfile(request_id="r3", profile=again))[0] == 409
    assert world.request(AssignProfile(request_id="r4", profile=DEFAULT))[0] != 409, "one in its place is no more"
