"""A station's part in jobs that read configurations: each gets one result, whatever becomes of the read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared import envelopes
from shared.bus import keys
from shared.envelopes import Kind
from shared.policy import Policy
from shared.records.events import ConfigurationRead
from shared.records.jobs import JobResult, make_job_id
from shared.records.packing import unpack
from shared.records.requests import DeleteStation, LeaveJob, ReadConfiguration, Request
from tests.workers.harness import START_MS
from workers.dispatch import quarantine

from .station import Configurable

JOB = make_job_id(START_MS, "one")
OTHER = make_job_id(START_MS, "other")
MANUAL = Policy(unknown_stations="accept")
"""Nothing is read but what somebody asks for."""


def asked(job: str = JOB, **fields: Any) -> ReadConfiguration:
    """What a job puts on the station's uplink."""
    return ReadConfiguration(request_id=f"job:{job}:CP1", by="ops", job=job, expires_in_ms=3_600_000, **fields)


def ask(site: Configurable, request: Request) -> None:
    """Let the request's entry be decided."""
    site.feed(site.entry(Kind.REQUEST, envelopes.encode(request), epoch=0))


def result(site: Configurable, job: str = JOB) -> JobResult | None:
    """Return what the station left for the job."""
    packed = site.memory.data.get(keys.job_ended(job), {}).get(site.station_id)
    return unpack(packed, JobResult) if packed is not None else None


def outcome(site: Configurable, job: str = JOB) -> str:
    """Return how it ended for the job; empty: it has not."""
    found = result(site, job)
    return found.outcome if found is not None else ""


def station(policy: Policy = MANUAL) -> Configurable:
    """A station that is there, and is asked nothing of its own."""
    site = Configurable(policy=policy)
    site.settle_down()
    return site


def test_a_read_is_a_result_for_each_job_that_wants_it() -> None:
    """Two jobs share one read, nobody gets a reply, and both are told once it is stored."""
    site = station()
    ask(site, asked())
    ask(site, asked(OTHER))
    assert (outcome(site), site.items_of(envelopes.Reply)) == ("", [])
    site.serve()
    assert site.asked == [("GetConfiguration", {})]
    assert result(site) == JobResult(outcome="accepted", at=site.now, detail="1 keys")
    assert outcome(site, OTHER) == "accepted"
    assert (site.configured.jobs, site.events_of(ConfigurationRead)[-1].trigger) == ({}, "job")


def test_a_request_that_comes_again_reads_nothing() -> None:
    """Neither while it is read nor after its end."""
    site = station()
    ask(site, asked())
    ask(site, asked())
    site.serve()
    ask(site, asked())
    site.serve()
    assert (len(site.asked), site.configured.jobs) == (1, {})


def test_a_station_that_never_answers() -> None:
    """After all attempts the job is told why."""
    site = station()
    site.answerer = lambda _: None
    ask(site, asked())
    site.settle_down(3000)
    found = result(site)
    assert found is not None
    assert (found.outcome, found.detail) == ("timed_out", "no answer in time")


def test_a_station_that_leaves_between_two_attempts() -> None:
    """It did not answer and is gone when it would be asked again: the job does not wait for it."""
    site = station()
    site.answerer = lambda _: None
    ask(site, asked())
    site.settle_down(40)
    site.close()
    site.settle_down(200)
    assert outcome(site) == "timed_out"


def test_a_station_that_is_away_is_read_when_it_is_back() -> None:
    """The read waits at the station as long as the job lasts, and no longer."""
    site = station()
    site.close()
    ask(site, asked())
    site.settle_down(600)
    assert outcome(site) == ""
    site.reboot()
    assert outcome(site) == "accepted"
    site.close()
    ask(site, asked(OTHER))
    site.settle_down(3700)
    assert outcome(site, OTHER) == "expired"
    site.reboot()
    assert len(site.asked) == 1


@pytest.mark.parametrize("how", ["unknown", "never connected", "poison", "deleted"])
def test_what_cannot_be_read_is_a_result(how: str) -> None:
    """No such station, one that never connected, a request that can't be decided, a station that is deleted."""
    site = station(Policy(unknown_stations="reject")) if how == "unknown" else station()
    if how == "never connected":
        site.run(lambda draft: draft.put(msgspec.structs.replace(draft.session, subprotocol="")))
    if how == "poison":
        entry = site.entry(Kind.REQUEST, envelopes.encode(asked()), epoch=0)
        site.commit(site.settle(lambda view: quarantine(entry, view, site.now, site.policy, "poison", "")))
    else:
        ask(site, asked())
    if how == "deleted":
        site.request(DeleteStation(request_id="d"))
    wanted = {"unknown": "refused", "never connected": "refused", "poison": "error", "deleted": "cancelled"}
    assert outcome(site) == wanted[how]


def test_a_cancelled_job_takes_back_what_only_it_wanted() -> None:
    """Its read is not sent; one that somebody else waits for too is; what was sent ends as it ends."""
    site = station()
    site.close()
    ask(site, asked())
    ask(site, LeaveJob(request_id="l1", job=JOB))
    assert (outcome(site), site.view.commands.queue, site.configured.reads) == ("cancelled", (), {})
    ask(site, asked(OTHER))
    assert site.request(ReadConfiguration(request_id="r"))[0] == 202
    ask(site, LeaveJob(request_id="l2", job=OTHER))
    assert outcome(site, OTHER) == "cancelled"
    assert len(site.view.commands.queue) == 1
    site = station()
    ask(site, asked())
    ask(site, LeaveJob(request_id="l3", job=JOB))
    assert outcome(site) == ""
    site.serve()
    assert outcome(site) == "accepted"


def test_a_cancelled_job_waits_for_no_further_attempt() -> None:
    """A station that did not answer once is asked no more for it."""
    site = station()
    site.answerer = lambda _: None
    ask(site, asked())
    site.settle_down(40)
    ask(site, LeaveJob(request_id="l", job=JOB))
    assert outcome(site) == "cancelled"
    site.settle_down(600)
    assert len(site.asked) == 1
