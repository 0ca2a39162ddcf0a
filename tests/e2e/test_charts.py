"""Charts end to end: of a station alone, then of its site, drawn from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.chaos.harness.system import System
from tests.e2e.field import Field
from tests.e2e.test_tour import _cli
from tests.support import wait_until


async def test_charts_of_a_station_and_of_its_site(system: System, tmp_path: Path) -> None:
    """What a meter tells is drawn; once a site manages the station, its circuit is, and its tree shows it."""
    async with Field(system, "CHARTED") as field:
        operator = field.operator
        await field.boot()
        number = await field.start()
        sample = {"value": "12.0", "measurand": "Current.Import", "unit": "A", "phase": "L1"}
        await field.meter(sample, transactionId=number)
        alone, inside = tmp_path / "alone.svg", tmp_path / "inside.png"
        await _cli(operator, "limits", "chart", field.id, "--hours", "1", "--out", str(alone))
        assert "A on L1" in alone.read_text()
        circuits = [{"name": "fuse", "capacity": {"amps": 32}}]
        body: dict[str, Any] = {"circuits": circuits, "stations": [{"id": field.id, "circuit": "fuse"}]}
        assert (await operator.request("PUT", "/sites/charted", json=body))[0] == 201
        try:

            async def looked_at() -> bool:
                return (await operator.get("/sites/charted/state"))["at"] is not None

            await wait_until(looked_at, interval_s=0.2)
            await _cli(operator, "site", "chart", "charted", "--node", "fuse", "--hours", "0.5", "--out", str(inside))
            assert inside.read_bytes().startswith(b"\x89PNG")
            assert "fuse" in await _cli(operator, "site", "show", "charted")
        finally:
            assert (await operator.request("DELETE", "/sites/charted"))[0] == 204
        refused = await _cli(operator, "site", "chart", "charted", "--out", str(tmp_path / "x.gif"), expect=2)
        assert "x.gif must end in .svg or .png" in refused
