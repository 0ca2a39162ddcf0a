"""Local lists of a fleet: derived from the tags, versioned, and sent by a job to stations that are out of step."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from ampstream.simulate.configuration import Configuration
from ampstream.simulate.locallist import LocalList as Simulated
from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Command, Kind
from shared.ocpp.v16.messages import SendLocalListRequest
from shared.records import local_lists
from shared.records.authorization import AuthorizationPolicy, ListRule, Policies
from shared.records.local_lists import Head, LocalList
from shared.records.packing import pack, unpack
from shared.records.queries import jobs, tags
from shared.records.tags import IdTag
from shared.settings import Settings
from tests.workers.jobs import bulk
from tests.workers.jobs.stage import System, stage
from workers.jobs.local_lists import deriving
from workers.jobs.local_lists.runner import ANYWAY_S, Runner
from workers.services import registration

RETAIL = AuthorizationPolicy(name="retail", mode="hybrid", list=ListRule(groups=("Fleet",)))


class Clock:
    """A clock that stands still until it is turned."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def put_policies(lane: Lane, *policies: AuthorizationPolicy) -> None:
    """Let these be the policies."""
    await lane.one("SET", keys.AUTHORIZATION, pack(Policies({one.name: one for one in policies})))


async def head(lane: Lane, policy: str = "retail") -> Head | None:
    """Return a list's head."""
    packed = await lane.one("GET", keys.list_head(policy))
    return unpack(packed, Head) if packed is not None else None


async def items(lane: Lane, policy: str = "retail") -> dict[str, tuple[int, str]]:
    """Return a list's items: tag -> version of its last change, status."""
    found = await lane.one("ZRANGE", keys.list_items(policy), 0, -1)
    read = [local_lists.read(member) for member in found]
    assert len({item.id_tag.lower() for _, item in read}) == len(read)
    return {item.id_tag: (version, item.status) for version, item in read}


@pytest.fixture
def clock() -> Clock:
    """The runner's clock."""
    return Clock()


@pytest.fixture
async def runner(lane: Lane, settings: Settings, clock: Clock) -> Runner:
    """A runner that holds the lease."""
    return Runner(lane, settings, "w1", clock=clock)


async def test_a_list_is_derived_and_versioned(lane: Lane, runner: Runner, clock: Clock) -> None:
    """The tags of the rule's groups make version 1; what differs afterwards makes the next one, and nothing none."""
    await put_policies(lane, RETAIL)
    some = [IdTag(id_tag=f"T{n}", parent="fleet" if n % 2 else "") for n in range(1200)]
    await tags.put(lane, [*some, IdTag(id_tag="x" * 30, parent="FLEET")])
    assert await runner.beat()
    made = await head(lane)
    assert made is not None
    assert (made.version, made.count, made.left_out) == (1, 600, 1)
    assert not await runner.beat()
    await tags.delete(lane, "T1")
    await tags.change(lane, "t3", lambda tag: msgspec.structs.replace(tag, expires_at=9_000_000_000_000))
    await tags.create(lane, IdTag(id_tag="new", parent="Fleet"))
    assert not await runner.beat(), "changes settle first"
    clock.now += 10
    assert await runner.beat()
    found = await items(lane)
    assert {name: one for name, one in found.items() if one[0] == 2} == {
        "T1": (2, ""), "T3": (2, "accepted"), "new": (2, "accepted"),
    }  # fmt: skip
    clock.now += ANYWAY_S
    assert await runner.beat()
    after = await head(lane)
    assert after is not None
    assert (after.version, after.count) == (2, 600)


async def test_only_one_worker_derives(lane: Lane, settings: Settings, runner: Runner, clock: Clock) -> None:
    """Another worker does nothing until the lease is given up; then it finds nothing to do."""
    await put_policies(lane, RETAIL)
    other = Runner(lane, settings, "w2", clock=clock)
    assert await runner.beat()
    assert not await other.beat()
    await runner.lease.resign()
    assert await other.beat()
    assert (await head(lane)).version == 1  # type: ignore[union-attr]


async def test_what_a_dead_worker_began_is_ended(lane: Lane, runner: Runner) -> None:
    """Items of a version without a head become that version."""
    await put_policies(lane, RETAIL)
    await tags.put(lane, [IdTag(id_tag="A", parent="fleet"), IdTag(id_tag="B", parent="fleet")])
    item = local_lists.Item("A", "accepted", 0, "fleet")
    await lane.one("ZADD", keys.list_items("retail"), 0, local_lists.member(1, item))
    await lane.one("HSET", keys.list_places("retail"), "a", local_lists.member(1, item))
    await runner.beat()
    assert await items(lane) == {"A": (1, "accepted"), "B": (1, "accepted")}
    assert (await head(lane)).version == 1  # type: ignore[union-attr]


async def test_tags_that_left_are_forgotten_at_last(
    lane: Lane, runner: Runner, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where more tags left than are in it, the list drops those of older versions, and says below what it did."""
    monkeypatch.setattr(deriving, "GONE_KEPT", 2)
    await put_policies(lane, RETAIL)
    await tags.put(lane, [IdTag(id_tag=name, parent="fleet") for name in "ABCDEF"])
    await runner.beat()
    for names in ("ABC", "DE"):
        for name in names:
            await tags.delete(lane, name)
        clock.now += 10
        await runner.beat()
    assert await items(lane) == {"D": (3, ""), "E": (3, ""), "F": (1, "accepted")}
    assert (await head(lane)).floor == 2  # type: ignore[union-attr]


async def test_a_list_that_nobody_wants_is_forgotten(lane: Lane, runner: Runner, clock: Clock) -> None:
    """A policy that goes takes its list along, and one that is made again begins another."""
    await put_policies(lane, RETAIL)
    await runner.beat()
    first = await head(lane)
    await put_policies(lane)
    clock.now += 10
    await runner.beat()
    assert await head(lane) is None
    await put_policies(lane, RETAIL)
    clock.now += 10
    await runner.beat()
    assert (await head(lane)).list_id != first.list_id  # type: ignore[union-attr]


class Listed(bulk.Place):
    """Stations that hold local lists."""

    def __init__(self, system: System, settings: Settings) -> None:
        super().__init__(system, settings)
        self.lists: dict[str, Simulated] = {}

    async def answer(self, _answers: Any = None) -> None:
        """Let stations do what they are sent."""
        for item in await self.system.items():
            if isinstance(item, Command) and item.command_id not in self._handed:
                self._handed.add(item.command_id)
                _, _, action, payload = msgspec.json.decode(item.frame)
                held = self.lists.setdefault(item.station, Simulated(Configuration()))
                if action == "SendLocalList":
                    answer: dict[str, Any] = {
                        "status": held.update(msgspec.convert(payload, SendLocalListRequest)).value
                    }
                else:
                    answer = {"listVersion": held.version}
                frame = msgspec.json.encode([3, item.command_id, answer])
                await self.system.append(Kind.ANSWER, item.station, item.epoch, 0, frame)
        await self.system.settle()


async def test_the_fleet_is_kept_in_step(lane: Lane, settings: Settings, clock: Clock) -> None:
    """Stations get each version by a job of its own; one that is offline is left to its return."""
    with patch.object(registration, "SETTLE_MS", 0):
        async with stage(settings, lane, None, bulk.PARTITIONS) as system:
            place = Listed(system, settings)
            await place.dial("CP1", "CP2", "CP3", "AWAY")
            await place.leave("AWAY")
            keeper = Runner(lane, settings, "w1", clock=clock)
            await put_policies(lane, RETAIL)
            await lane.one("HSET", keys.AUTHORIZATION_APPLIED, "retail", RETAIL.updated_at)
            await tags.put(lane, [IdTag(id_tag=f"T{n}", parent="fleet") for n in range(150)])
            for version in (1, 2):
                await keeper.beat()
                (job_id,) = [one.decode() for one in await lane.one("HKEYS", keys.BULK_JOBS_ACTIVE)]
                done = await place.until_ended(job_id)
                assert (done.outcomes["accepted"], done.job.total, done.job.created_by) == (3, 3, "authorization")
                for name in ("CP1", "CP2", "CP3"):
                    local = unpack(await lane.one("HGET", keys.state(name), "ll"), LocalList)
                    assert (local.state, local.version, local.wanted) == ("in_line", version, version)
                    assert len(place.lists[name]._tags) == 149 + version
                await tags.put(lane, [IdTag(id_tag="T150", parent="fleet")])
                clock.now += 10
            await keeper.beat()
            assert not await lane.one("HLEN", keys.BULK_JOBS_ACTIVE)


async def test_what_belongs_to_a_policy_is_set_by_a_job(lane: Lane, settings: Settings, clock: Clock) -> None:
    """A policy that is new, or sets other keys, is brought to its stations that are online, once."""
    async with stage(settings, lane, None, bulk.PARTITIONS) as system:
        await system.dial("CP1")
        await system.settle()
        keeper = Runner(lane, settings, "w1", clock=clock)
        strict = AuthorizationPolicy(name="strict", mode="central", updated_at=1)
        for number, policy in enumerate((strict, strict, msgspec.structs.replace(strict, updated_at=2)), 1):
            await put_policies(lane, policy)
            clock.now += ANYWAY_S
            await keeper.beat()
            found = [await jobs.job(lane, one.decode()) for one in await lane.one("HKEYS", keys.BULK_JOBS_ACTIVE)]
            kinds = [(one.job.kind, one.job.total) for one in found if one is not None]
            assert kinds == [("apply_templates", 1)] * (1 if number < 3 else 2)
