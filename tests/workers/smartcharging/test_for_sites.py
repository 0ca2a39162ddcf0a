"""What a site's allocator asks of a station: done once, in order, without a word; and a transaction's plan."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.envelopes import Command, Kind, encode
from shared.ocpp import frames
from shared.ocpp.timestamps import format_time
from shared.policy import Policy
from shared.records.profiles import Assigned, Period, Profile
from shared.records.requests import AssignProfile, ClearProfile, PlanTransaction, Request
from shared.records.transactions import Plan
from tests.workers.harness import START_MS, World

DEFAULT = Profile(
    profile_id=0, purpose="default", kind="absolute", unit="A", periods=(Period(0, 60),), start_at=START_MS
)
OWN = msgspec.structs.replace(DEFAULT, purpose="transaction", connector_id=1)


@pytest.fixture
def world() -> World:
    """A station that is accepted."""
    world = World(policy=Policy(unknown_stations="accept", unknown_tags="accept"))
    world.open()
    world.call("BootNotification", {"chargePointVendor": "Volt", "chargePointModel": "One"})
    world.advance(2)
    return world


def ask(world: World, request: Request) -> None:
    """Let an allocator's request be decided; nobody waits for a reply."""
    world.feed(world.entry(Kind.REQUEST, encode(request), epoch=0))


def told(world: World, version: int, profile: Profile = DEFAULT, **more: Any) -> AssignProfile:
    """Return what the allocator of the site `yard` wants."""
    fields: dict[str, Any] = {"verify": False, **more}
    return AssignProfile(
        request_id=f"site:yard:{version}", profile=profile, name="site:yard", version=version, site="yard", **fields
    )


def actions(world: World) -> list[str]:
    """Return the actions of what went out."""
    sent = [frames.decode(item.frame) for item in world.items_of(Command)]
    return [one.action for one in sent if isinstance(one, frames.Call)]


def held(world: World) -> dict[str, Assigned]:
    """Return the station's profiles by slot."""
    return world.view.limits.by_slot


def test_the_newest_counts(world: World) -> None:
    """A request that comes twice, or after a newer one, sends nothing; without `verify` nothing is asked."""
    ask(world, told(world, 7))
    ask(world, told(world, 7))
    ask(world, told(world, 5, msgspec.structs.replace(DEFAULT, periods=(Period(0, 320),))))
    (command,) = world.items_of(Command)
    world.answer(command.command_id, {"status": "Accepted"})
    assert actions(world) == ["SetChargingProfile"]
    (one,) = held(world).values()
    assert (one.state, one.version, one.profile.periods[0].limit) == ("accepted", 7, 60)
    ask(world, told(world, 8, verify=True))
    world.answer(world.items_of(Command)[-1].command_id, {"status": "Accepted"})
    assert actions(world) == ["SetChargingProfile", "SetChargingProfile", "GetCompositeSchedule"]


def test_what_is_for_a_transaction_that_is_over_is_dropped(world: World) -> None:
    """A limit that comes after the end of its transaction is not kept, and goes to no other one."""
    ask(world, told(world, 7, OWN))
    start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": format_time(world.now)}
    number = world.call("StartTransaction", start)[2]["transactionId"]
    ask(world, told(world, 8, msgspec.structs.replace(OWN, transaction_id=number + 1)))
    assert held(world) == {}
    ask(world, told(world, 9, msgspec.structs.replace(OWN, transaction_id=number)))
    assert [one.version for one in held(world).values()] == [9]


def test_all_of_a_site_is_cleared(world: World) -> None:
    """What the site set goes; what an operator set stays, also where its name is the site's."""
    operators = msgspec.structs.replace(DEFAULT, stack_level=2)
    world.request(AssignProfile(request_id="r1", profile=operators, name="yard", version=1))
    world.answer(world.items_of(Command)[-1].command_id, {"status": "Accepted"})
    world.answer(world.items_of(Command)[-1].command_id, {"status": "Rejected"})
    ask(world, told(world, 7))
    world.answer(world.items_of(Command)[-1].command_id, {"status": "Accepted"})
    ask(world, ClearProfile(request_id="c", site="yard"))
    assert actions(world)[-1] == "ClearChargingProfile"
    assert [one.name for one in held(world).values() if one.clearing] == ["site:yard"]


def test_a_plan_stays_with_its_transaction(world: World) -> None:
    """It is kept over meter values, replaced whole, forgotten when nothing is wanted."""
    assert world.request(PlanTransaction(request_id="p0", transaction_id=1, energy_wh=1))[0] == 409
    start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": format_time(world.now)}
    number = world.call("StartTransaction", start)[2]["transactionId"]
    assert world.request(PlanTransaction(request_id="p1", transaction_id=number, energy_wh=9000, priority=3))[0] == 200
    world.advance(60)
    sample = {"timestamp": format_time(world.now), "sampledValue": [{"value": "100"}]}
    world.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [sample]})
    assert world.view.charging.open[number].plan == Plan(energy_wh=9000, priority=3)
    assert world.request(PlanTransaction(request_id="p2", transaction_id=number, departs_at=5))[0] == 200
    assert world.view.charging.open[number].plan == Plan(departs_at=5)
    world.request(PlanTransaction(request_id="p3", transaction_id=number))
    assert world.view.charging.open[number].plan is None
