"""When an edge must not hold stations: nobody answers, nothing can be appended, or Redis is nearly full.

Why at all: a station that is offline queues its transaction messages; one whose CSMS does not answer throws them away
after its attempts (docs/architecture.md).

    OPEN    ── no answer at all for `silence_s` while one is due ──┐
            ── appends failing for `append_s` ─────────────────────┼─> CLOSED: sockets are closed, upgrades get 503
            ── Redis nearly full, or not durable any more ──────────┘
    CLOSED  ── `reopen` rounds of canaries answered in time, room in Redis ──> OPEN

Late answers are overload, not failure: while a partition's canary is older than half of `silence_s`, upgrades of its
stations are refused and nothing is closed. Sans-IO: `now` is monotonic seconds; `tick` tells of a transition.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

Transition = Literal["close", "open"]

REMEMBERED: Final = 600
"""Unanswered canaries remembered per partition; without workers for longer, the oldest only looks younger."""


class FailClosed:
    """The state of one node; `open` tells whether sockets may live, `admits` whether a new one may come."""

    __slots__ = (
        "_append_s", "_closed_at", "_failing_since", "_late", "_overload_s", "_reopen", "_rounds", "_sent",
        "_silence_s", "memory_full", "not_durable", "open", "reason", "waiting_since",
    )  # fmt: skip

    def __init__(self, *, partitions: int, silence_s: float, append_s: float, reopen: int) -> None:
        self.open = True
        self.reason = ""
        """Why it is closed, or was last: `silence`, `appends`, `memory` or `durability`."""
        self.waiting_since: float | None = None
        """Since when an answer is due and none of any kind has come."""
        self.memory_full = False
        self.not_durable = False
        """Redis could lose what is answered: another server came up, or its settings changed."""
        self._silence_s = silence_s
        self._append_s = append_s
        self._overload_s = silence_s / 2
        self._reopen = reopen
        self._failing_since: float | None = None
        self._closed_at = 0.0
        self._rounds: set[int] = set()
        self._sent: list[deque[tuple[int, float]]] = [deque(maxlen=REMEMBERED) for _ in range(partitions)]
        self._late: list[float] = [0.0] * partitions
        """By partition: how late the last canary's answer was, in seconds."""

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def asked(self, now: float) -> None:
        """Note that something was put on an uplink which will be answered."""
        if self.waiting_since is None:
            self.waiting_since = now

    def answered(self, now: float) -> None:
        """Note an answer of any kind: somebody is there."""
        self.waiting_since = now if any(self._sent) else None

    def canary_sent(self, partition: int, number: int, now: float) -> None:
        """Note a canary; its numbers rise, the same number goes to every partition."""
        self._sent[partition].append((number, now))
        self.asked(now)

    def canary_answered(self, partition: int, number: int, now: float) -> None:
        """Note the answer to a canary; older ones of its partition count as answered too (streams keep their order)."""
        if not 0 <= partition < len(self._sent):
            return
        sent = self._sent[partition]
        while sent and sent[0][0] <= number:
            asked_number, at = sent.popleft()
            if asked_number == number:
                self._measure(partition, number, at, now)
        self.answered(now)

    def append_failed(self, now: float) -> None:
        """Note that an append failed or its outcome is unknown."""
        if self._failing_since is None:
            self._failing_since = now
        self._rounds.clear()

    def append_succeeded(self) -> None:
        """Note that Redis took an append."""
        self._failing_since = None

    # ── what follows ─────────────────────────────────────────────────────────────────────────────────────────────

    def tick(self, now: float) -> Transition | None:
        """Return the transition that is due now, None where all stays as it is."""
        if not self.open:
            if len(self._rounds) < self._reopen or self._why_close(now, ignore_silence=True):
                return None
            self.open = True
            self.waiting_since = None
            return "open"
        reason = self._why_close(now)
        if not reason:
            return None
        self.open = False
        self.reason = reason
        self._closed_at = now
        self._rounds.clear()
        return "close"

    def admits(self, partition: int, now: float) -> bool:
        """Tell whether a station of this partition may connect: open, and its answers are not late."""
        return self.open and not self.overloaded(partition, now)

    def overloaded(self, partition: int, now: float) -> bool:
        """Tell whether the partition's answers are late."""
        sent = self._sent[partition]
        oldest = now - sent[0][1] if sent else 0.0
        return max(oldest, self._late[partition]) > self._overload_s

    def reasons(self, now: float) -> list[str]:
        """Say what keeps stations away; empty when nothing does."""
        if not self.open:
            return [f"failed closed: {self.reason}"]
        late = [str(partition) for partition in range(len(self._sent)) if self.overloaded(partition, now)]
        return [f"answers are late on partition {', '.join(late)}"] if late else []

    def _why_close(self, now: float, *, ignore_silence: bool = False) -> str:
        if self.not_durable:
            return "durability"
        if self.memory_full:
            return "memory"
        if self._failing_since is not None and now - self._failing_since >= self._append_s:
            return "appends"
        if not ignore_silence and self.waiting_since is not None and now - self.waiting_since >= self._silence_s:
            return "silence"
        return ""

    def _measure(self, partition: int, number: int, asked_at: float, now: float) -> None:
        self._late[partition] = now - asked_at
        if not self.open and asked_at >= self._closed_at and now - asked_at <= self._silence_s:
            self._rounds.add(number)
