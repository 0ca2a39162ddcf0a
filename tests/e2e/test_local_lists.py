"""Local lists end to end: tags, a policy, a fleet that is kept in step, and what operators see of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ampstream.simulate.behaviours import BEHAVIOURS, Behaviour, combined
from ampstream.simulate.fleet import Fleet
from ampstream.simulate.models import MODELS
from ampstream.simulate.profiles import PROFILES
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.e2e.test_tour import _cli, _json
from tests.support import wait_until

TAGS = 230
CHANGES = """\
id_tag,parent,status
LL0000,E2E-listed,blocked
ll9999,e2e-listed,accepted
"""
POLICY = """\
mode = "hybrid"
match = { vendor = "Listed" }
[list]
groups = ["E2E-LISTED"]
[keys]
MaxEnergyOnInvalidId = 500
"""


async def test_a_fleet_holds_the_list_of_its_tags(system: System, operator: Operator, tmp_path: Path) -> None:
    """Tags become a list, stations hold it in chunks, changes follow, and every step can be seen."""
    rows = [f"LL{n:04},E2E-listed" for n in range(TAGS)]
    (tmp_path / "tags.csv").write_text("\n".join(["id_tag,parent", *rows]) + "\n")
    (tmp_path / "retail.toml").write_text(POLICY)
    await _cli(operator, "tags", "import", str(tmp_path / "tags.csv"))
    (made,) = await _json(operator, "local-lists", "put", str(tmp_path / "retail.toml"))
    assert (made["mode"], made["wanted_keys"]["LocalAuthorizeOffline"]) == ("hybrid", "true")
    names, wheel = ("LIST-1", "LIST-2"), LoopWheel()
    model = next(one for one in MODELS if "LocalAuthListEnabled" in one.keys)
    listed = Behaviour(name="listed", vendor="Listed")
    fleet = Fleet(
        World(wheel, PROFILES["steady"]),
        names,
        [Endpoint.parse(url) for url in system.station_urls],
        model=model,
        # The second takes less at a time than it says.
        behaviours={names[0]: listed, names[1]: combined([listed, BEHAVIOURS["small-lists"]])},
        connect_rate=0,
    )
    fleet.start()

    async def in_step(version: int) -> bool:
        found = [await operator.get(f"/stations/{name}/local-list") for name in names if await known(name)]
        return [(one["state"], one["held"]) for one in found] == [("in_line", version)] * len(names)

    async def known(name: str) -> bool:
        return (await operator.request("GET", f"/stations/{name}"))[0] == 200

    def held() -> list[set[str]]:
        return [set(one.features.local_list._tags) for one in fleet.stations]

    try:
        await wait_until(lambda: in_step(1), 30, 0.1)
        assert held() == [{row.partition(",")[0] for row in rows}] * 2
        # In one request: two are one version only where the runner does not look between them.
        (tmp_path / "tags.csv").write_text(CHANGES)
        await _cli(operator, "tags", "import", str(tmp_path / "tags.csv"))
        await wait_until(lambda: in_step(2), 30, 0.1)
        assert all("LL0000" not in tags and "ll9999" in tags for tags in held())
        await the_views_agree(operator, names)
        done = await _json(operator, "local-lists", "sync", "--stations", ",".join(names), "--full", "--wait")
        assert done[-1]["outcomes"]["accepted"] == 2
        await _cli(operator, "local-lists", "delete", "retail", "--yes")
        await wait_until(lambda: not any(held()), 30, 0.1)
    finally:
        await fleet.close()
        wheel.stop()


async def test_a_tag_has_sites_and_hours(operator: Operator) -> None:
    """Sites, hours and their zone are given and shown on the command line."""
    bound = ("--sites", "yard, north", "--hours", "mon-fri 08:00-18:00", "--time-zone", "Europe/Berlin")
    await _cli(operator, "tags", "set", "LLBOUND", *bound)
    (tag,) = await _json(operator, "tags", "show", "llbound")
    assert (tag["sites"], tag["hours"], tag["time_zone"]) == (["yard", "north"], bound[3], bound[5])


async def the_views_agree(operator: Operator, names: tuple[str, ...]) -> None:
    """Policy, stations, configuration and commands say the same, and nobody shows a tag."""
    (shown,) = await _json(operator, "local-lists", "show", "retail")
    assert (shown["local_list"]["version"], shown["local_list"]["tags"]) == (2, TAGS)
    assert (shown["stations"]["in_line"], shown["stations"]["behind"]) == (2, 0)
    table = await _cli(operator, "local-lists", "status", "retail", "--state", "in_line")
    assert all(name in table for name in names)
    assert "LL0" not in table
    assert "version held" in await _cli(operator, "local-lists", "station", names[0])

    async def configured() -> dict[str, Any] | None:
        found = await operator.get(f"/stations/{names[0]}/tuning")
        keys = {one["key"]: one for one in found["keys"]}
        done = keys and found["under_way"] is None and keys["AllowOfflineTxForUnknownId"]["state"] == "in_line"
        return keys if done else None

    keys = await wait_until(configured, 30, 0.2)
    assert keys is not None
    assert keys["AllowOfflineTxForUnknownId"]["template"] == "authorization:retail"
    assert (keys["AllowOfflineTxForUnknownId"]["held"], keys["AllowOfflineTxForUnknownId"]["state"]) == (
        "false",
        "in_line",
    )
    sent = await operator.items("/commands", station_id=names[0], action="SendLocalList")
    kinds = [one["payload"]["updateType"] for one in reversed(sent)]
    assert kinds == ["Full", *["Differential"] * 3]
    assert not any(one["payload"]["localAuthorizationList"] for one in sent)
