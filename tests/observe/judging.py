"""One fault after the other: what had to fire did and reached its receiver, nobody was paged for else, it is over."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.grafana.reading import alerts
from tests.observe.faults import Fault
from tests.observe.stage import Stage
from tests.observe.watching import Firing, Sign, Watch
from tests.support import wait_until

_QUIET_S: Final = 150.0
"""The longest window of a critical alert that a fault fills: half an hour, two minutes here, and a margin."""
_TOLD_S: Final = 30.0
_SLOW: Final = "AckLatencyBudgetBurnFast"
_BUSY: Final = 3.0
"""Processes that wait for each core: above it stations do wait, whatever this run does."""
_RECEIVERS: Final = {"critical": "pager", "warning": "chat"}
Condition = Callable[[Sign, float], bool]


@dataclass(frozen=True)
class Verdict:
    """What became of a fault; seconds from its injection, and from its end, on."""

    fault: str
    fired_s: float
    resolved_s: float
    seen_at: float
    """Unix time when all of its signs fired."""
    seen: tuple[str, ...]
    """Everything that began to fire, in order."""
    paged: tuple[str, ...]
    wrong: tuple[str, ...]


class Judge:
    """Injects faults and looks at what fires."""

    def __init__(self, stage: Stage, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._watch: Watch = stage.watch
        self._say = say

    async def quiet(self) -> list[str]:
        """Wait until nothing critical fires; return what still does when its windows must have passed."""
        try:
            await wait_until(lambda: not self._critical(), _QUIET_S, 0.2)
        except AssertionError:
            return [f"{each} does not end" for each in self._critical()]
        return []

    def _critical(self) -> list[str]:
        return [named(one.labels) for one in self._watch.now() if one.critical and not excused(one)]

    async def judge(self, fault: Fault) -> Verdict:
        """Inject a fault, mend it, and return what happened; a sign that does not come, or stays, is a wrong."""
        wrong = await self.quiet()
        signs = fault.signs(self._stage)
        self._say(f"fault: {fault.name}")
        begin = time.monotonic()
        async with fault.done(self._stage):
            late = f"did not fire within {fault.within_s:g} s"
            wrong += [f"{each} {late}" for each in await self._not_yet(self._fires, signs, begin, fault.within_s)]
            fired_s, seen_at = time.monotonic() - begin, time.time()
            untold = await self._not_yet(self._told, signs, begin, _TOLD_S)
            wrong += [f"{_receiver(each)} was not told of {each}" for each in untold]
        mended = time.monotonic()
        late = f"still fires {fault.resolved_s:g} s after the end"
        wrong += [f"{each} {late}" for each in await self._not_yet(self._is_over, signs, begin, fault.resolved_s)]
        resolved_s = time.monotonic() - mended
        wrong += self._beside(fault, signs, begin)
        seen = tuple(dict.fromkeys(named(one.labels) for one in self._watch.since(begin)))
        paged = tuple(dict.fromkeys(named(one.labels) for one in self._watch.paged(begin)))
        return Verdict(fault.name, fired_s, resolved_s, seen_at, seen, paged, tuple(wrong))

    async def _not_yet(
        self, condition: Condition, signs: tuple[Sign, ...], begin: float, timeout_s: float
    ) -> list[Sign]:
        """Wait for each sign's condition; return those for which it did not come true."""
        missed = []
        for sign in signs:
            try:
                await wait_until(functools.partial(condition, sign, begin), timeout_s, 0.1)
            except AssertionError:
                missed.append(sign)
        return missed

    def _fires(self, sign: Sign, begin: float) -> bool:
        return any(sign.is_in(one.labels) and one.until is None for one in self._watch.since(begin))

    def _is_over(self, sign: Sign, begin: float) -> bool:
        return not self._fires(sign, begin)

    def _told(self, sign: Sign, begin: float) -> bool:
        told = [one for one in self._watch.told if one.at >= begin and one.receiver == _receiver(sign)]
        return any(sign.is_in(one.labels) for one in told)

    def _beside(self, fault: Fault, signs: tuple[Sign, ...], begin: float) -> list[str]:
        """Return critical alerts that nothing in this fault explains: fired, or paged."""
        known = {name for name, _ in fault.besides}

        def strange(labels: Firing) -> bool:
            return not (labels.alert in known or excused(labels) or any(sign.is_in(labels.labels) for sign in signs))

        fired = [one for one in self._watch.since(begin) if one.critical and strange(one)]
        return [f"{named(one.labels)} fired, which this fault does not explain" for one in fired]


def excused(firing: Firing) -> bool:
    """Tell whether an alert is right: a station of the load reports that it is opened, or this machine is too busy."""
    if firing.labels.get("kind") == "TamperDetectionActivated":
        return True
    return firing.alert == _SLOW and max(os.getloadavg()[:2]) > _BUSY * (os.cpu_count() or 1)


def _receiver(sign: Sign) -> str:
    return _RECEIVERS[alerts()[sign.alert]["labels"]["severity"]]


def named(labels: Mapping[str, str]) -> str:
    """Return an alert's name, and what tells it from its like."""
    more = [labels[name] for name in ("job", "instance", "reason", "result", "stream") if name in labels]
    return labels["alertname"] + (f" ({', '.join(more)})" if more else "")
