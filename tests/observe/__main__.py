"""`make observe`: run the system, look at it with a real Prometheus, break it, and say what was seen.

python -m tests.observe                         everything; exit status 1 where something is wrong
python -m tests.observe --fault "poison frames" only these faults; repeat it for several; `none` for none
python -m tests.observe --pictures              draw the dashboards into docs/pictures, too
python -m tests.observe --keep DIRECTORY        keep its files and logs there
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.observe import load, pictures, prometheus
from tests.observe.faults import FAULTS
from tests.observe.judging import Judge, Verdict, named
from tests.observe.stage import Stage

WARM_S: Final = 120.0
"""Limit for every question to be answered."""
LEAD_S: Final = 75.0
"""Health that the pictures begin with."""
ALL_S: Final = 900.0
_BEGAN: Final = time.monotonic()


def say(text: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"{time.monotonic() - _BEGAN:6.1f} s  {text}", flush=True)


async def _answered(stage: Stage, limit_s: float, *, healthy: bool) -> list[str]:
    """Ask until everything is answered or the time is over; return what is not."""
    deadline = time.monotonic() + limit_s
    before = -1
    while True:
        missing = await prometheus.unanswered(stage.prometheus, healthy=healthy, span_s=_span())
        missing += await stage.prometheus.sick()
        if not missing or time.monotonic() > deadline:
            return missing
        if len(missing) != before:
            say(f"{len(missing)} things are missing yet" + _some(missing))
            before = len(missing)
        await asyncio.sleep(5)


def _span() -> float:
    """Return how far back to look: in the first minutes no further than the start, in the end over all faults."""
    return time.monotonic() - _BEGAN


def _some(missing: list[str]) -> str:
    return f": {'; '.join(missing)}" if len(missing) < 5 else ""


async def _run(arguments: argparse.Namespace, directory: Path) -> list[str]:
    if arguments.pictures:
        say("building what draws the pictures")
        pictures.check()
        await pictures.build()
    say("starting Valkey, two workers, two edges, redis_exporter, Prometheus, Alertmanager")
    stage = Stage(directory)
    async with stage.running(), load.applied(stage):
        begun = time.time()
        say(f"everything runs; Prometheus at {stage.prometheus.url}; waiting for data")
        judge = Judge(stage, say)
        wrong = await _in_health(stage, judge, LEAD_S if arguments.pictures else 0)
        alarm_at = await _with_faults(judge, arguments.fault or [fault.name for fault in FAULTS], wrong)
        missing = await _answered(stage, 10, healthy=bool(arguments.fault))
        wrong += [f"after the faults, no data: {each}" for each in missing]
        if not arguments.fault:
            unmoved = await prometheus.still(stage.prometheus, _span())
            wrong += [f"{each} was 0 all the time: move it in tests/observe/load.py" for each in unmoved]
        if arguments.pictures:
            say("drawing")
            now = time.time()
            try:
                await pictures.draw(stage.prometheus.url, now, now - begun, alarm_at=alarm_at)
            except pictures.CannotDraw as error:
                wrong.append(str(error))
    return wrong


async def _in_health(stage: Stage, judge: Judge, lead_s: float) -> list[str]:
    """Ask everything of a healthy system, for at least some seconds; return what is wrong.

    A start on a machine that stands still may fire what it should; it has to end like everything else.
    """
    begin = time.monotonic()
    wrong = [f"no data: {each}" for each in await _answered(stage, WARM_S, healthy=True)]
    await asyncio.sleep(max(0.0, begin + lead_s - time.monotonic()))
    say(f"{prometheus.count()} questions asked in health, {len(wrong)} without data")
    firing = sorted({named(each.labels) for each in stage.watch.now()})
    say(f"firing in health: {', '.join(firing) or 'nothing'}")
    return wrong + [f"in health, {each}" for each in await judge.quiet()]


async def _with_faults(judge: Judge, names: list[str], wrong: list[str]) -> float:
    """Inject these faults, add to what is wrong, and return when (Unix time) the last one's alerts fired."""
    alarm_at = 0.0
    for fault in FAULTS:
        if fault.name in names:
            verdict = await judge.judge(fault)
            _tell(verdict, say)
            wrong += [f"{verdict.fault}: {each}" for each in verdict.wrong]
            alarm_at = verdict.seen_at
    wrong += [f"after the faults, {each}" for each in await judge.quiet()]
    return alarm_at


def _tell(verdict: Verdict, say: Callable[[str], None]) -> None:
    say(f"  fired after {verdict.fired_s:.1f} s, resolved {verdict.resolved_s:.1f} s after the end")
    say(f"  seen: {', '.join(verdict.seen) or 'nothing'}")
    say(f"  paged: {', '.join(verdict.paged) or 'nothing'}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for each in verdict.wrong:
        say(f"  WRONG: {each}")


def main() -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.observe", description="Proof with a real Prometheus.")
    names = [fault.name for fault in FAULTS]
    parser.add_argument("--fault", action="append", choices=[*names, "none"], help="only these")
    parser.add_argument("--pictures", action="store_true", help="draw the dashboards into docs/pictures")
    parser.add_argument("--keep", type=Path, help="directory, empty or new, that keeps files and logs")
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="ampstream-observe-") as temporary:
        directory = arguments.keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        try:
            wrong = asyncio.run(asyncio.wait_for(_run(arguments, directory), ALL_S))
        except pictures.CannotDraw as error:
            wrong = [str(error)]
    for each in wrong:
        say(f"WRONG: {each}")
    say("all is as it should be" if not wrong else f"{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
