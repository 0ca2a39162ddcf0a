"""Charts over the API: of circuits, of stations in a site and without one, and what is wrong with a question."""

from __future__ import annotations

from typing import Any

import pytest

from shared.bus import keys
from shared.records.packing import pack
from shared.records.profiles import Assigned, Limits, Period, Profile
from shared.records.site_history import FIELD, MINUTE_MS, Minute, Point
from shared.records.sites import Amount, Circuit, Place, Site
from shared.records.transactions import Reading, Sample
from tests.edge.operators.stage import T0, Stage, transaction

HOUR = "from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z"


async def site(stage: Stage) -> None:
    """Write a site of one station, and ten minutes of its past."""
    circuits = (Circuit(name="main", capacity=Amount((320,) * 3)),)
    record = Site(
        name="yard", circuits=circuits, stations=(Place(station_id="CP1", circuit="main"),), zone="Asia/Tokyo"
    )
    await stage.station("CP1")
    await stage.write(("SET", keys.site("yard"), pack(record)), ("HSET", keys.SITE_STATIONS, "CP1", "yard"))
    for number in range(10):
        at = T0 + number * MINUTE_MS
        here = Point((160,) * 3, (160, 0, 0), (150, 0, 0))
        whole = Point((320,) * 3, (160, 0, 0), (150, 0, 0), (20,) * 3)
        minute = Minute(at=at, circuits={"main": whole}, stations={"CP1": here} if number < 5 else {})
        await stage.write(("XADD", keys.site_history("yard"), f"{at}-1", FIELD, pack(minute)))


async def test_a_circuit_and_its_station(stage: Stage) -> None:
    """The root is drawn where no node is named, a station by its name, both by the clocks of the site."""
    await site(stage)
    root = await stage.get(f"/sites/yard/chart?{HOUR}")
    assert "Site yard, main" in root
    assert "drawn and base load" in root
    assert "Asia/Tokyo (UTC+9)" in root
    for path in (f"/sites/yard/chart?{HOUR}&node=CP1", f"/stations/CP1/chart?{HOUR}"):
        shown = await stage.get(path)
        assert "A on R<" in shown
        assert "base load" not in shown
    assert "kW, all phases together" in await stage.get(f"/sites/yard/chart?{HOUR}&unit=kW&time_zone=UTC")


async def test_it_is_a_picture_that_may_do_nothing(stage: Stage) -> None:
    """PNG comes where it is asked for; neither format is kept by caches, or may load or run anything."""
    await site(stage)
    for headers, query, media in (({}, "", "image/svg+xml"), ({"Accept": "image/png"}, "", "image/png"),
                                  ({}, "&format=png", "image/png")):  # fmt: skip
        url = f"{stage.url}/api/v1/sites/yard/chart?{HOUR}{query}"
        async with stage.http.get(url, headers=stage.headers() | headers) as response:
            assert (response.status, response.content_type) == (200, media)
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert 'filename="yard-main.' in response.headers["Content-Disposition"]
            body = await response.read()
            assert body.startswith(b"\x89PNG" if media == "image/png" else b"<svg")


async def test_a_station_without_a_site(stage: Stage) -> None:
    """Its limit is what its present profiles allow, its draw what its meter told in transactions."""
    await stage.station("CP<&>")
    profile = Profile(
        profile_id=1, purpose="default", kind="absolute", unit="A", start_at=T0, periods=(Period(0, 160),)
    )
    held = Limits({"default/0/0": Assigned(profile=profile, state="accepted", accepted_at=T0)})
    await stage.transactions(transaction(1, "CP<&>"))
    await stage.readings("CP<&>", 1, Reading(T0 + MINUTE_MS, (Sample("Current.Import", 20.0, "A", "L1"),)))
    await stage.write(("HSET", keys.state("CP<&>"), "sc", pack(held)))
    shown = await stage.get(f"/stations/CP%3C%26%3E/chart?{HOUR}")
    assert "Station CP&lt;&amp;&gt;, connector 1" in shown
    assert "limit of its present profiles" in shown
    assert "drawn at most 20" in shown
    assert "nothing is known" in await stage.get("/stations/CP%3C%26%3E/chart?connector_id=2&to=2025-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/sites/none/chart", 404, "there is no site none"),
        ("/sites/yard/chart?node=row", 404, "there is no circuit or station of site yard row"),
        ("/stations/CP9/chart", 404, "there is no station CP9"),
        (
            "/sites/yard/chart?from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
            400,
            "`from` must be at least",
        ),
        ("/sites/yard/chart?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z", 400, "`from` is more than 14 days"),
        ("/sites/yard/chart?time_zone=Mars", 400, "`time_zone` is no IANA time zone"),
        ("/stations/CP1/chart?time_zone=Mars", 400, "`time_zone` is no IANA time zone"),
        ("/sites/yard/chart?format=gif", 400, "`format`"),
    ],
)
async def test_what_is_wrong_is_named(stage: Stage, path: str, status: int, words: str) -> None:
    """A site, circuit, station, time or zone that is not there is named."""
    await site(stage)
    found: tuple[int, Any] = await stage.ask("GET", path)
    assert found[0] == status, found
    assert words in found[1]["detail"]
