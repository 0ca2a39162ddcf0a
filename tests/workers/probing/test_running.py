"""A probe on a station in memory: run to its end, aborted, interrupted; what was wanted is always put back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.bus import keys
from shared.envelopes import Kind, encode
from shared.ocpp.timestamps import format_time
from shared.records.commands import CommandRecord
from shared.records.events import ProbeChanged
from shared.records.jobs import JobResult
from shared.records.models import model_key
from shared.records.packing import unpack
from shared.records.probes import Abilities
from shared.records.profiles import Period
from shared.records.requests import (
    AbortProbe,
    AssignProfile,
    CancelCommand,
    ClearProfile,
    DeleteStation,
    LeaveJob,
    StartProbe,
)
from tests.workers.harness import World
from tests.workers.probing.modelled import Modelled
from tests.workers.probing.site import NIGHT, ROOF, Site


@pytest.fixture
def site() -> Site:
    """An idle station with two profiles that it took."""
    site = Site()
    site.limit(NIGHT)
    site.limit(ROOF)
    assert site.holds() == {("default", 160), ("station_max", 200)}
    return site


WANTED = {"default/0/0": "verified", "station_max/0/0": "verified"}


def test_a_probe_from_begin_to_end(site: Site) -> None:
    """It tries all, puts back what was wanted, has it verified, and writes report and abilities."""
    status, body = site.probe()
    assert status == 202
    assert set(site.wanted().values()) == {"wanted"}
    site.settle_down()
    assert site.holds() == {("default", 160), ("station_max", 200)}
    assert site.wanted() == WANTED
    assert site.view.probing.run is None
    report = site.report
    assert (report.probe_id, report.ended, report.not_put_back) == (body["probe_id"], "complete", ())
    found = {one.check: one.verdict for one in report.findings}
    assert {check for check, verdict in found.items() if verdict == "failed"} == set()
    assert all(one.payload and one.answer for one in report.exchanges)
    known = unpack(site.memory.data[keys.MODELS_CHARGING][model_key("Volt", "One", "1")], Abilities)
    assert (known.zero, known.station_id) == ("shown", "CP1")
    assert [one.state for one in site.events_of(ProbeChanged)] == ["probing", "restoring", "complete"]
    assert site.count("probes_total", "complete") == 1


def test_an_abort(site: Site) -> None:
    """After what was sent is answered nothing more is tried; the station is restored, the model learns nothing."""
    site.probe()
    for _ in range(17):
        site.answer_next()
    assert site.request(AbortProbe(request_id="x", by="tester"))[0] == 202
    site.settle_down()
    assert site.holds() == {("default", 160), ("station_max", 200)}
    assert site.wanted() == WANTED
    assert (site.report.ended, site.report.why) == ("aborted", "aborted by tester")
    assert keys.MODELS_CHARGING not in site.memory.data
    assert site.request(AbortProbe(request_id="y"))[0] == 404


@pytest.mark.parametrize("steps", [3, 20, 71])
def test_the_station_leaves_in_the_middle(site: Site, steps: int) -> None:
    """What it was doing is not gone on with; when it is back it is restored."""
    site.probe()
    for _ in range(steps):
        site.answer_next()
    site.close()
    site.advance(3600)
    assert site.view.probing.run is not None
    site.dial()
    site.settle_down()
    assert site.holds() == {("default", 160), ("station_max", 200)}
    assert site.wanted() == WANTED
    assert site.report.why == "the station left"


def test_the_station_leaves_while_it_is_restored(site: Site) -> None:
    """The restoration goes on when it is back, however often it leaves."""
    site.probe()
    for _ in range(10):
        site.answer_next()
    site.request(AbortProbe(request_id="x"))
    for _ in range(8):
        site.answer_next()
        site.close()
        site.dial()
    site.settle_down()
    assert site.holds() == {("default", 160), ("station_max", 200)}
    assert site.wanted() == WANTED


def test_a_station_that_falls_silent(site: Site) -> None:
    """Three answers in a row that do not come end the battery; what it does not take back is told."""
    site.probe()
    site.answer_next()
    site.advance(24 * 3600)
    assert site.view.probing.run is None
    report = site.report
    assert (report.ended, report.why) == ("aborted", "the station does not answer")
    assert set(report.not_put_back) == set(WANTED)
    assert set(site.wanted().values()) == {"unconfirmed"}


def test_a_transaction_begins(site: Site) -> None:
    """The battery ends at once, for a car is charging."""
    site.probe()
    for _ in range(9):
        site.answer_next()
    site.start()
    site.settle_down()
    assert site.report.why == "a transaction began"
    assert site.holds() == {("default", 160), ("station_max", 200)}


def test_profiles_that_operators_want_meanwhile(site: Site) -> None:
    """What is set waits for the end of the probe and is sent then; what is cleared is not put back."""
    site.probe()
    for _ in range(5):
        site.answer_next()
    lower = msgspec.structs.replace(NIGHT, periods=(Period(0, 100),))
    assert site.request(AssignProfile(request_id="n", profile=lower))[0] == 202
    roof = next(one.profile.profile_id for one in site.view.limits.by_slot.values() if one.profile.purpose != "default")
    assert site.request(ClearProfile(request_id="c", profile_id=roof))[0] == 202
    site.settle_down()
    assert site.holds() == {("default", 100)}
    assert site.wanted() == {"default/0/0": "verified"}


def test_who_is_refused(site: Site) -> None:
    """A station that is away, unknown, charging, probed already, or on whose way a profile is; each is told why."""
    assert site.request(AssignProfile(request_id="a", profile=NIGHT))[0] == 202
    assert "on its way" in site.probe()[1]["detail"]
    site.settle_down()
    site.now += 1000
    number = site.start()
    status, body = site.probe()
    assert status == 409
    assert f"transaction {number} runs on the station" in body["detail"]
    site.call("StopTransaction", {"transactionId": number, "meterStop": 1, "timestamp": format_time(site.now)})
    site.settle_down()
    assert "no transaction runs" in site.probe(with_transaction=True)[1]["detail"]
    assert site.probe()[0] == 202
    site.now += 1
    assert "a probe runs" in site.probe()[1]["detail"]
    site.settle_down()
    site.close()
    assert "not connected" in site.probe()[1]["detail"]
    assert World("NOBODY").request(StartProbe(request_id="p"))[0] == 404


def test_what_a_transaction_draws(site: Site) -> None:
    """With a test transaction its current is compared, after a while, by a sample that the station is asked for."""
    number = site.start()
    assert site.probe(with_transaction=True, settle_ms=5000)[0] == 202
    drawn = iter([16.0, 8.0, 0.0, 8.0])
    for _ in range(400):
        if not site.answer_next():
            run = site.view.probing.run
            if run is None:
                break
            site.advance(5)
            site.meter(number, next(drawn))
    report = site.report
    found = {one.check: (one.verdict, one.text) for one in report.findings}
    assert found["obeys"] == ("passed", "it drew 16 A before, and 8 A under a limit of 8 A")
    assert found["pauses"][0] == "passed"
    assert found["transaction"][0] == "passed"
    assert (report.abilities.zero, report.abilities.obeys) == ("pauses", True)


def test_a_transaction_that_ends_at_zero(site: Site) -> None:
    """A limit of 0 that ends the transaction is learned: it is not to be sent."""
    number = site.start()
    site.probe(with_transaction=True, settle_ms=5000)
    drawn = iter([16.0, 16.0])
    for _ in range(400):
        if site.answer_next():
            continue
        if site.view.probing.run is None:
            break
        site.advance(5)
        if (current := next(drawn, None)) is not None:
            site.meter(number, current)
            continue
        site.call("StopTransaction", {"transactionId": number, "meterStop": 1, "timestamp": format_time(site.now)})
    assert (site.report.abilities.zero, site.report.abilities.obeys) == ("ends", False)
    assert site.holds() == {("default", 160), ("station_max", 200)}


def test_no_sample_comes(site: Site) -> None:
    """A look that finds nothing ends by itself; the checks say so."""
    site.start()
    site.probe(with_transaction=True, settle_ms=5000)
    for _ in range(60):
        site.settle_down()
        site.advance(60)
    assert {one.check: one.verdict for one in site.report.findings}["obeys"] == "untested"


def test_a_station_is_deleted(site: Site) -> None:
    """Its probe goes with it."""
    site.probe()
    site.answer_next()
    assert site.request(DeleteStation(request_id="d"))[0] == 200
    assert site.view.station is None


@settings(max_examples=15, deadline=None)
@given(what=st.lists(st.sampled_from(["answer", "answer", "answer", "lose", "leave", "abort", "cancel"]), max_size=60))
def test_it_always_restores(what: list[str]) -> None:
    """Whatever happens in between: once the station is there and answers, it holds what is wanted, and nothing else."""
    site = Site(Modelled(clears=("id",)))
    site.limit(NIGHT)
    site.probe()
    for number, one in enumerate(what):
        if one == "answer":
            site.answer_next()
        elif one == "lose":
            for frame in site.sent()[:1]:  # It was done, and the answer got lost.
                site.answered.add(frame.message_id)
                site.model.answer(frame.action, msgspec.json.decode(frame.payload), site.now)
            site.advance(35)
        elif one == "leave":
            site.close()
            site.dial()
        elif one == "abort":
            site.request(AbortProbe(request_id=f"x{number}"))
        elif queue := site.view.commands.queue:
            site.request(CancelCommand(request_id=f"c{number}", command_id=queue[0].command_id))
    site.settle_down()
    assert site.view.probing.run is None
    if not site.report.not_put_back:
        assert site.holds() == {("default", 160)}
    records = [unpack(data, CommandRecord) for key, data in site.memory.data.items() if ":cmd:" in key]
    assert all(record.state not in ("queued", "sent") for record in records)


def test_a_job_probes(site: Site) -> None:
    """Its result is how the probe ended, or why it was refused; a job that is cancelled ends it."""
    asked = StartProbe(request_id="job:j1:CP1", by="tester", job="j1")
    site.feed(site.entry(Kind.REQUEST, encode(asked), epoch=0))
    site.feed(site.entry(Kind.REQUEST, encode(asked), epoch=0))  # It is asked again where nobody saw that it began.
    site.settle_down()
    assert result(site, "j1").outcome == "accepted"
    site.start()
    site.feed(site.entry(Kind.REQUEST, encode(StartProbe(request_id="job:j2:CP1", job="j2")), epoch=0))
    assert result(site, "j2").outcome == "refused"
    site.feed(site.entry(Kind.REQUEST, encode(StartProbe(request_id="job:j3:CP1", job="j3", force=True)), epoch=0))
    site.answer_next()
    site.feed(site.entry(Kind.REQUEST, encode(LeaveJob(request_id="l", job="j3")), epoch=0))
    site.settle_down()
    assert (result(site, "j3").outcome, site.report.why) == ("cancelled", "aborted: its job was cancelled")
    assert site.wanted() == WANTED


def test_a_station_of_a_site(site: Site) -> None:
    """A station that a site's allocator limits is left to it, unless it is forced."""
    site.limit(msgspec.structs.replace(NIGHT, connector_id=1))
    site.request(AssignProfile(request_id="s", profile=ROOF, name="site:yard", version=1))
    site.settle_down()
    assert "site 'yard' manages" in site.probe()[1]["detail"]
    site.now += 1
    assert site.probe(force=True)[0] == 202


def result(site: Site, job: str) -> JobResult:
    """Return what a job was told."""
    return unpack(site.memory.data[keys.job_ended(job)][site.station_id], JobResult)


@pytest.mark.parametrize("how", ["version", "steps"])
def test_another_release_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """A battery that has changed in the middle is not gone on with; what it left is taken off all the same."""
    site.probe()
    for _ in range(12):
        site.answer_next()
    if how == "version":
        monkeypatch.setattr("workers.services.probing.battery.BATTERY", 99)
    else:
        monkeypatch.setattr("workers.services.probing.hand.FIRST_ID", 20_001)
    site.settle_down()
    assert site.report.why == "another release of Ampstream began it"
    assert site.holds() == {("default", 160), ("station_max", 200)}
    assert site.wanted() == WANTED


def test_it_takes_too_long(site: Site) -> None:
    """After half an hour the battery ends, however slowly the station answers."""
    site.probe()
    for _ in range(200):
        site.advance(25)
        if not site.answer_next():
            break
    assert site.report.why == "it took longer than 30 minutes"
    assert site.wanted() == WANTED
