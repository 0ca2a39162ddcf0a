"""F25: the clocks of edges and workers are ten minutes off, each to its side; stations believe in 1970, or 2099.

Redis's clock alone counts: presence, deadlines, expiries and the order of what happens stand on it, and a station's own
times are kept as what they are. The guard is that decisions and sweeps are handed Redis's time.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.harness import charger as harness
from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import TTL_S, running

pytestmark = pytest.mark.chaos
SETTINGS = {"COMMAND_TIMEOUT_S": "3"}


async def test_no_effect(tmp_path: Path, ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """F25: sessions, presence, commands, tokens and the audit log are as with right clocks (I3, I4, I7)."""
    guards: dict[str, Any] = {"edge_guards": ["clock_fast"], "worker_guards": ["clock_slow"]}
    async with running(tmp_path / "system", workers=1, settings=SETTINGS, **guards) as system:
        operator, found = system.operator(), list[checks.Violation]()
        right = harness.now_ms
        for name, year in (("PAST", 1970), ("FUTURE", 2099)):
            ticks = itertools.count(int(datetime(year, 1, 2, tzinfo=UTC).timestamp()) * 1000, 1000)
            with monkeypatch.context() as wrong:
                wrong.setattr(harness, "now_ms", lambda ticks=ticks: next(ticks))
                station = Charger(system.station_urls, name, ledger)
                await station.connect()
                await station.boot()
                await station.charge()
            found += await checks.order(operator, station)
            found += await checks.presence(operator, name, "online", 1)
        found += await checks.transactions(operator, ledger.book())
        status, command = await operator.request(
            "POST",
            "/stations/FUTURE/commands",
            params={"wait": "60s"},
            json={"action": "ClearCache", "payload": {}, "expires_in_s": 60},
        )
        assert (status, command["state"]) == (200, "accepted"), command
        soon = datetime.fromtimestamp(right() / 1000 + 120, UTC).isoformat()
        status, token = await operator.request("POST", "/tokens", json={"name": "short", "expires_at": soon})
        assert status == 201, token
        again = type(operator)(operator.url, token["token"], "")
        assert (await again.request("GET", "/me"))[0] == 200
        (entry, *_) = await operator.items("/audit", action="create_token")
        assert abs(datetime.fromisoformat(entry["at"]).timestamp() * 1000 - right()) < 60_000
        # Until it has answered a ping: who never did lives as long as TCP's keepalive is answered.
        found += await checks.steady(operator, "FUTURE", "online", 3)
        station.station.pause_reading()
        found += await checks.presence(operator, "FUTURE", "offline", TTL_S + 2)
        checks.sound([*found, *await checks.liveness(system.valkey.client())])


async def test_control_with_a_workers_clock(tmp_path: Path, ledger: LedgerFile) -> None:
    """F25, control: a sweep that believes a worker's slow clock never misses a dead edge's station (I7)."""
    guards = ["clock_slow", "own_time"]
    async with running(tmp_path / "system", edges=2, workers=1, worker_guards=guards) as system:
        station = Charger(system.station_urls, "GONE", ledger)
        await station.connect(edge=0)
        await station.boot()
        # Until it has answered a ping: who never did lives as long as TCP's keepalive is answered.
        found = await checks.steady(system.operator(1), "GONE", "online", 3)
        system.edges[0].kill()
        found += await checks.presence(system.operator(1), "GONE", "offline", TTL_S + 2)
        assert "I7" in checks.broken(found)
