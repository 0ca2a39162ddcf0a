"""A site end to end: six simulated stations want more than there is, and workers are killed while they allocate."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random
from typing import Any, Final

from ampstream.simulate.drawlog import DrawLog
from ampstream.simulate.fleet import Fleet
from ampstream.simulate.models import BY_NAME
from ampstream.simulate.physics import Charge, Outlet
from ampstream.simulate.profiles import Plan, Profile
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from shared.bus import keys
from shared.ocpp.v16.enums import Reason
from tests.chaos.harness.checks import Violation
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System, running
from tests.support import wait_until
from tests.terminal import ampstream

SPEED: Final = 30.0
STATIONS: Final = tuple(f"SITE-{n}" for n in range(6))
LIMIT: Final = 40.0
"""A of each phase, for cars that want 96."""
POINTS: Final = ("round_decided", "round_ended")
"""Where a worker dies: with nothing of its round written, and with all of it."""
SITE: Final = """
command_interval_s = 2
hysteresis_amps = 0.5
[[circuits]]
name = "main"
capacity = { amps = 60 }
[[circuits]]
name = "garage"
parent = "main"
capacity = { amps = 40 }
"""


def _plan(random: Random, outlet: Outlet, tags: Any) -> Plan:
    """Let a big car come that stays: 16 A on all three phases, for as long as anybody looks."""
    charge = Charge(outlet=outlet, phases=3, capacity_wh=4e6, soc_start=10.0, knee_soc=90.0, plateau_w=11_040.0)
    return Plan(
        id_tag=random.choice(tags), charge=charge, prepare_s=random.uniform(5, 60), stay_s=1e6, reason=Reason.LOCAL,
        finish_s=5, gap_s=1e6,
    )  # fmt: skip


ALL_DAY: Final = Profile(
    name="all-day", summary="one big car each", arrival=lambda random: random.uniform(200, 500), plan=_plan
)


class Parking:
    """The fleet, the log of what it truly draws, and when it is looked at."""

    def __init__(self, system: System) -> None:
        self.log = DrawLog()
        self.wheel = LoopWheel()
        self.world = World(self.wheel, ALL_DAY, speed=SPEED, draws=self.log)
        urls = [Endpoint.parse(url) for url in system.station_urls]
        self.fleet = Fleet(self.world, STATIONS, urls, model=BY_NAME["Home 11"], connect_rate=0)
        self.since = 0

    def drawn(self, at_ms: float) -> float:
        """Return what all draw on L1."""
        return sum(self.log.amps(name, at_ms)[0] for name in STATIONS)

    def violations(self, until: int) -> list[Violation]:
        """Audit every tenth of a second since the stations were covered."""
        return [
            Violation("limit", "garage", f"{self.drawn(at):.2f} A at {at}")
            for at in range(self.since, until, 100)
            if self.drawn(at) > LIMIT + 0.05
        ]

    async def close(self) -> None:
        """Let everybody leave."""
        await self.fleet.close()
        self.wheel.stop()


async def _put(system: System, directory: Path) -> None:
    """Write the site as a person does."""
    file = directory / "site.toml"
    places = "".join(f'[[stations]]\nid = "{name}"\ncircuit = "garage"\nmax_amps = 16\n' for name in STATIONS)
    file.write_text(SITE + places)
    done = await ampstream("site", "put", "parking", str(file), env=_env(system))
    assert done.status == 0, done


def _env(system: System) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AMPSTREAM_")}
    return environ | {"AMPSTREAM_API_URL": system.api_url(), "AMPSTREAM_API_TOKEN": system.token, "COLUMNS": "120"}


async def _covered(operator: Operator) -> bool:
    """Tell whether every station has its default limit."""
    for name in STATIONS:
        page = await operator.get(f"/stations/{name}/charging-profiles")
        found = [one for one in page["items"] if one["purpose"] == "default"]
        if not found or found[0]["state"] not in ("accepted", "verified"):
            return False
    return True


def _ms() -> int:
    return time.time_ns() // 1_000_000


async def _used(parking: Parking) -> bool:
    """Tell whether nearly all of the garage's capacity has been drawn for two seconds."""
    now = _ms()
    return all(parking.drawn(at) >= 0.95 * LIMIT for at in range(now - 2000, now, 250))


async def test_a_site_holds_its_limit_whatever_dies(tmp_path: Path) -> None:
    """Its limit holds at every moment, it gets used, and a worker that dies in a round is replaced by the other."""
    options: dict[str, Any] = {"worker_guards": ("site_points",), "settings": {"SITE_ROUND_S": "1"}}
    async with running(tmp_path / "system", **options) as system:
        operator, parking = system.operator(), Parking(system)
        try:
            parking.fleet.start()
            await wait_until(lambda: all(one.online for one in parking.fleet.stations))
            await _put(system, tmp_path)
            await wait_until(lambda: _covered(operator), interval_s=0.2)
            parking.since = _ms() + 1000
            for point in POINTS:
                system.arm(point, "kill", "parking")
                hit = await system.reached(point, 30)
                await system.restart(hit)
            await wait_until(lambda: _used(parking), 60, 0.5)
            assert not parking.violations(_ms())
            shown = await ampstream("site", "show", "parking", env=_env(system))
            assert "garage" in shown.out
            assert "SITE-5/1" in shown.out
            await _plan_one(system, operator)
            await _shed(system, operator, parking)
        finally:
            await parking.close()


async def _plan_one(system: System, operator: Operator) -> None:
    """Say what a transaction is to get by when, and see it at its site."""
    page = await operator.get("/transactions", station_id="SITE-0", state="open")
    number = str(page["items"][0]["id"])
    words = ("--energy-kwh", "30", "--departure", "2099-01-01T00:00:00Z")
    done = await ampstream("transactions", "plan", number, *words, env=_env(system))
    assert done.status == 0, done

    async def seen() -> bool:
        state = await operator.get("/sites/parking/state")
        return any(one["departs_at"] == "2099-01-01T00:00:00.000Z" for one in state["connectors"])

    await wait_until(seen, interval_s=0.2)


async def _shed(system: System, operator: Operator, parking: Parking) -> None:
    """Post a base load that leaves 24 A of the root, and see the garage follow it."""
    done = await ampstream("site", "base-load", "put", "parking", "main", "--amps", "36", env=_env(system))
    assert done.status == 0, done
    await wait_until(lambda: parking.drawn(_ms()) <= 24.05, interval_s=0.1)

    seen: list[list[str]] = []

    async def two_pause() -> bool:
        state = await operator.get("/sites/parking/state")
        seen.append([one["state"] for one in state["connectors"]])
        return seen[-1].count("paused") >= 2  # Four times 6 A is all that fits.

    try:
        await wait_until(two_pause, interval_s=0.2)
    except AssertionError:
        raise AssertionError(seen[-1]) from None


async def test_a_site_comes_and_goes(system: System, operator: Operator) -> None:
    """With the rights that edges and workers are deployed with: written, looked at in rounds, gone."""
    body = {"circuits": [{"name": "main", "capacity": {"kw": 22}}]}
    status, made = await operator.request("PUT", "/sites/short-lived", json=body)
    assert status == 201, made
    load = "/sites/short-lived/circuits/main/base-load"
    assert (await operator.request("PUT", load, json={"kw": 2.3}))[0] == 200

    async def looked_at() -> bool:
        state = await operator.get("/sites/short-lived/state")
        return bool(state["circuits"]) and state["circuits"][0]["base_source"] == "reading"

    await wait_until(looked_at, 30, 0.2)
    assert (await operator.request("DELETE", "/sites/short-lived"))[0] == 204
    assert (await operator.request("GET", "/sites/short-lived"))[0] == 404
    client = system.valkey.client()
    await wait_until(lambda: not client.exists(keys.site("short-lived")), 30, 0.2)
