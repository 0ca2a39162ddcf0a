"""Probes over the API: who is refused, what is shown while one runs, and its report in both forms."""

from __future__ import annotations

from shared.bus import keys
from shared.records.packing import pack
from shared.records.probes import Abilities, Bench, Exchange, Finding, Measured, Probed, ProbeReport, Probing, Run
from tests.edge.operators.stage import Stage

REPORT = ProbeReport(
    probe_id="p1",
    station_id="CP1",
    vendor="Evil|Corp\n# head",
    model="<b>`X`",
    began_at=1_700_000_000_000,
    ended_at=1_700_000_060_000,
    ended="aborted",
    why="the station left",
    bench=Bench(base_ms=1_700_000_000_000, units=("A",)),
    findings=(Finding(check="clear_id", verdict="failed", text="it answered ``` | Unknown"),),
    exchanges=(
        Exchange(
            check="clear_id", step="x", action="ClearChargingProfile", payload='{"id":9001}', answer='{"status":"Un',
            outcome="rejected",
        ),
        Exchange(check="clear_id", step="y", payload="under 8 A", measured=Measured(current=79), outcome="accepted"),
    ),
    abilities=Abilities(zero="ends", min_current=80, clears=("all",), evidence={"zero": ("pauses",), "gone": ("x",)}),
    not_put_back=("default/0/0",),
)  # fmt: skip


async def test_a_station_without_a_probe(stage: Stage) -> None:
    """It was never probed, and has no report; one that is not known is 404."""
    await stage.station("CP1")
    assert (await stage.get("/stations/CP1/probe"))["state"] == "never"
    status, problem = await stage.ask("GET", "/stations/CP1/probe/report")
    assert (status, "report of a probe" in problem["detail"]) == (404, True)
    assert (await stage.ask("GET", "/stations/NOBODY/probe"))[0] == 404


async def test_how_far_it_is(stage: Stage) -> None:
    """While it runs its check and progress are shown; then how it ended."""
    await stage.station("CP1")
    pending = Exchange(check="zero", step="x")
    run = Run(probe_id="p1", began_at=1, bench=Bench(base_ms=1), battery=1, epoch=1, checks_done=7, pending=pending)
    await stage.write(("HSET", keys.state("CP1"), "pr", pack(Probing(run=run))))
    shown = await stage.get("/stations/CP1/probe")
    assert (shown["state"], shown["check"], shown["checks_done"]) == ("probing", "zero", 7)
    ended = Probed(probe_id="p1", ended="aborted", at=2, why="the station left")
    await stage.write(("HSET", keys.state("CP1"), "pr", pack(Probing(last=ended))))
    shown = await stage.get("/stations/CP1/probe")
    assert (shown["state"], shown["why"]) == ("aborted", "the station left")


async def test_the_report_in_both_forms(stage: Stage) -> None:
    """JSON has each message as it went; the page keeps words of a station words."""
    await stage.station("CP1")
    await stage.write(("SET", keys.probe("CP1"), pack(REPORT)))
    found = await stage.get("/stations/CP1/probe/report")
    (check,) = found["checks"]
    assert (check["verdict"], check["sections"]) == ("failed", "§5.5, §6.13")
    assert [one["sent"] for one in check["messages"]] == [{"id": 9001}, "under 8 A"]
    assert [one["answer"] for one in check["messages"]] == ['{"status":"Un', None]
    assert check["messages"][1]["measured_a"] == 7.9
    assert (found["abilities"]["zero"], found["abilities"]["min_current_a"]) == ("ends", 8.0)
    url = f"{stage.url}/api/v1/stations/CP1/probe/report"
    async with stage.http.get(url, headers={**stage.headers(), "Accept": "text/markdown"}) as response:
        page = await response.text()
        assert response.content_type == "text/markdown"
    assert page.startswith("# Smart charging of Evil\\|Corp # head &lt;b>'X'\n")
    assert "**Not put back**: default/0/0" in page
    assert "| a limit of 0 | ends the transaction | Pause and go on |" in page
    assert page.count("```") == 2


async def test_a_site_manages_it(stage: Stage) -> None:
    """A station of a site is left to it: 409 says how to go on."""
    await stage.station("CP1")
    await stage.write(("HSET", keys.SITE_STATIONS, "CP1", "yard"))
    status, problem = await stage.ask("POST", "/stations/CP1/probe", json={})
    assert (status, "'yard'" in problem["detail"], "`force_test`" in problem["detail"]) == (409, True, True)
    status, problem = await stage.ask("POST", "/stations/CP1/probe", json={"settle_s": 0})
    assert (status, "settle_s" in str(problem)) == (422, True)
