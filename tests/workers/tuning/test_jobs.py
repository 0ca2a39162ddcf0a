"""A station's part in jobs that apply templates: told once nothing is being set any more, and how it stands then."""

from __future__ import annotations

import pytest

from shared import envelopes
from shared.bus import keys
from shared.envelopes import Kind
from shared.records.jobs import JobResult, make_job_id
from shared.records.packing import unpack
from shared.records.requests import ApplyTemplates, LeaveJob, Request
from tests.workers.harness import START_MS

from .site import Site, template

JOB = make_job_id(START_MS, "tune")


def asked(*, retry: bool = False) -> ApplyTemplates:
    """What a job puts on the station's uplink."""
    return ApplyTemplates(request_id=f"job:{JOB}:CP1", job=JOB, retry=retry, expires_in_ms=3_600_000)


def ask(site: Site, request: Request) -> None:
    """Let the request's entry be decided."""
    site.feed(site.entry(Kind.REQUEST, envelopes.encode(request), epoch=0))


def result(site: Site) -> tuple[str, str]:
    """Return how it ended for the job, and why; empty: it has not."""
    packed = site.memory.data.get(keys.job_ended(JOB), {}).get(site.station_id)
    found = unpack(packed, JobResult) if packed is not None else None
    return (found.outcome, found.detail) if found is not None else ("", "")


@pytest.mark.parametrize(
    ("behaviour", "wanted"),
    [
        ({}, ("accepted", "in line")),
        ({"refused": {"X": "Rejected"}}, ("rejected", "X refused (Rejected)")),
        ({"ignored": {"X"}}, ("rejected", "X differs")),
        ({"reboot": {"X"}}, ("accepted", "taken; a reboot, or the next read, is awaited")),
    ],
)
def test_how_the_station_stands_is_the_result(behaviour: dict[str, object], wanted: tuple[str, str]) -> None:
    """In line, refused, taken and not held, taken and effective after a reboot."""
    site = Site({"X": "1", "Y": "1"}, **behaviour)
    site.boot()
    site.want(template(keys={"X": "2", "Y": "1"}))
    ask(site, asked())
    assert result(site) == ("", "")
    site.settle_commands()
    assert result(site) == wanted
    assert site.view.configured.jobs == {}


def test_without_templates_there_is_nothing_to_do() -> None:
    """A station that nothing is wanted of is in order."""
    site = Site()
    site.boot()
    ask(site, asked())
    site.settle_commands()
    assert result(site) == ("accepted", "no template matches")


def test_what_was_refused_is_tried_again_where_the_job_says_so() -> None:
    """Without `retry` the refusal stands and is the result; with it the key is set once more."""
    for retry, changes in ((False, 1), (True, 2)):
        site = Site({"X": "1"}, refused={"X": "Rejected"})
        site.want(template(keys={"X": "2"}))
        site.boot()
        ask(site, asked(retry=retry))
        site.settle_commands()
        assert len(site.changes("X")) == changes
        assert result(site) == ("rejected", "X refused (Rejected)")


def test_a_station_that_leaves_in_the_middle() -> None:
    """The job is told after a while; the run goes on with the station's return all the same."""
    site = Site({"X": "1"})
    site.boot()
    site.want(template(keys={"X": "2"}))
    ask(site, asked())
    site.settle_commands(1)
    site.close()
    site.advance(300)
    assert result(site) == ("timed_out", "the station left while it was set")
    site.boot()
    assert site.held["X"] == "2"


def test_a_station_that_does_not_answer_what_it_is_told() -> None:
    """After some commands without an outcome the run waits for the next look, and the job does not."""
    site = Site({"X": "1"})
    site.boot()
    site.want(template(keys={"X": "2"}))
    ask(site, asked())
    site.settle_commands(1)
    site.advance(1000)
    assert result(site) == ("timed_out", "no answer to what was set")


def test_a_cancelled_job_leaves_and_the_templates_stay() -> None:
    """While a command is on the way it stays; between two attempts it goes, and what is wanted is set later."""
    site = Site({"X": "1"})
    site.boot()
    site.want(template(keys={"X": "2"}))
    ask(site, asked())
    site.settle_commands(1)
    ask(site, LeaveJob(request_id="l1", job=JOB))
    assert result(site) == ("", "")
    site.advance(40)
    ask(site, LeaveJob(request_id="l2", job=JOB))
    assert result(site)[0] == "cancelled"
    site.advance(120)
    site.settle_commands()
    assert site.held["X"] == "2"
