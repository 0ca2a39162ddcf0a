"""Reads under any order of answers, silence, refusals, boots, disconnects and cancellations: none is ever stuck.

Nor is a job that wants one.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.records.events import ConfigurationRead
from shared.records.requests import CancelCommand, LeaveJob
from workers.services.configuration.reading import MAX_FAILURES, TIMER, WHOLE

from .station import DAY, Configurable
from .test_jobs import ask, asked, outcome

KEYS = {"GetConfigurationMaxKeys": "9", "HeartbeatInterval": "60", "Vendor.Thing": "1"}


class Reading(RuleBasedStateMachine):
    """One station, its operator, and time."""

    @initialize()
    def begin(self) -> None:
        """Boot once."""
        self.site = Configurable(dict(KEYS))
        self.site.answerer = lambda _: None
        self.jobs: list[str] = []

    def serve(self, answerer: Any) -> None:
        """Answer one outstanding command, if there is one."""
        self.site.answerer = answerer
        outstanding = self.site.view.commands.outstanding
        if outstanding is not None:
            payload = msgspec.json.decode(self.payload(outstanding.command_id))
            answer = answerer(payload)
            if isinstance(answer, Exception):
                self.site.refuse(outstanding.command_id, str(answer))
            else:
                self.site.answer(outstanding.command_id, answer)
        self.site.answerer = lambda _: None
        self.site.deliveries.clear()

    def payload(self, command_id: str) -> str:
        """Return a command's payload."""
        found = self.site.memory.data[f"s:{{CP1}}:cmd:{command_id}"]
        return str(msgspec.msgpack.decode(found).get("payload", "{}"))

    @rule()
    def answers(self) -> None:
        """It answers well."""
        self.serve(self.site.tell)

    @rule(odd=st.sampled_from([{}, {"configurationKey": None}, {"configurationKey": []}, [], "x", {"unknownKey": [1]}]))
    def answers_oddly(self, odd: Any) -> None:
        """It answers nothing of use."""
        self.serve(lambda _: odd)

    @rule()
    def refuses(self) -> None:
        """It answers a CALLERROR."""
        self.serve(lambda _: ValueError("NotSupported"))

    @rule(seconds=st.sampled_from([1, 35, 70, 300, 4000, DAY]))
    def waits(self, seconds: int) -> None:
        """Time passes, and it says nothing."""
        self.site.advance(seconds)

    @rule()
    def boots(self) -> None:
        """It boots on the same connection."""
        if self.site.view.session.connection == "open":
            self.site.boot()

    @rule(boot=st.booleans())
    def comes_back(self, boot: bool) -> None:
        """It loses its connection and comes back, with a boot or without."""
        self.site.close()
        self.site.advance(5)
        self.site.open()
        if boot:
            self.site.boot()

    @rule()
    def leaves(self) -> None:
        """It goes away."""
        self.site.close()

    @rule()
    def operator_asks(self) -> None:
        """An operator wants it read."""
        self.site.request(self.site.reading())

    @rule()
    def operator_cancels(self) -> None:
        """An operator cancels whatever waits."""
        for queued in self.site.view.commands.queue:
            self.site.request(CancelCommand(request_id=f"x{queued.command_id}", command_id=queued.command_id))

    @rule()
    def job_asks(self) -> None:
        """A job wants it read."""
        self.jobs.append(f"job-{len(self.jobs)}")
        ask(self.site, asked(self.jobs[-1]))

    @rule()
    def job_is_cancelled(self) -> None:
        """The last job is cancelled."""
        if self.jobs:
            ask(self.site, LeaveJob(request_id=f"l{self.jobs[-1]}", job=self.jobs[-1]))

    @invariant()
    def jobs_wait_or_know(self) -> None:
        """A job that asked waits for a read that is under way, or has its one result."""
        waiting = set(self.site.configured.jobs)
        assert not waiting or WHOLE in self.site.configured.reads
        assert [job for job in self.jobs if (job in waiting) == bool(outcome(self.site, job))] == []

    @invariant()
    def never_stuck(self) -> None:
        """A read waits for a command that is queued or sent, or for a timer; without one the next is timed."""
        configured, commands = self.site.configured, self.site.view.commands
        pending = {one.command_id for one in (*commands.queue, commands.outstanding) if one is not None}
        assert set(configured.reads) <= {WHOLE}
        for purpose, read in configured.reads.items():
            assert read.failures < MAX_FAILURES
            if read.command_id:
                assert read.command_id in pending
            else:
                assert (TIMER, purpose) in self.site.timers
        if not configured.reads and self.site.view.session.connection == "open":
            assert configured.next_at > self.site.now or (TIMER, "schedule") in self.site.timers
        # One that was sent before a boot may be queued again beside its successor when its session ends.
        assert len([one for one in commands.queue if one.action == "GetConfiguration"]) <= 2

    @invariant()
    def counted_once(self) -> None:
        """Versions and events agree: each read that ended well told so once."""
        events = self.site.events_of(ConfigurationRead)
        if events:
            assert events[-1].snapshot == self.site.versions[0].version == self.site.snapshot.version
            assert [one.version for one in self.site.versions] == list(range(len(self.site.versions), 0, -1))

    def teardown(self) -> None:
        """In the end a station that answers is read."""
        site = self.site
        site.close()
        site.advance(5)
        site.open()
        site.boot()
        site.answerer = site.tell
        site.settle_down(3 * DAY)
        assert site.configured.reads == {}
        assert site.configured.failed_at == 0
        assert all(outcome(site, job) for job in self.jobs)
        assert {name: one.value for name, one in site.snapshot.keys.items()} == KEYS


TestReading = Reading.TestCase
TestReading.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
