"""All processes of `ampstream up`, from the first start to the last stop."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from ampstream.up.child import Child
from ampstream.up.plan import Plan

START_S: Final = 60.0
"""How long a stage may take until it serves."""
LOOK_S: Final = 1.0
TELL_S: Final = 5.0
"""After so long a stage that does not serve yet is told of."""


class Supervisor:
    """Starts the stages of a plan one after the other, keeps them running, and ends them in reverse."""

    def __init__(self, plan: Plan, data: Path, lock: int, tell: Callable[[str], None]) -> None:
        self.plan = plan
        self.children: list[Child] = []
        self.hurry = asyncio.Event()
        """Set by a second Ctrl-C: whatever still runs is killed."""
        self._data = data
        self._lock = lock
        self._tell = tell
        self._stages: list[list[Child]] = []

    async def start(self, stop: asyncio.Event, after_stage: dict[str, Callable[[], Any]] | None = None) -> None:
        """Start everything; returns early when `stop` is set.

        `after_stage` maps the name of a process to what is done once its stage serves. Raises `click.ClickException`
        where a stage does not serve in time, with the last lines of the log.
        """
        life, _held = self._pipe()
        self.write_state()
        for specs in self.plan.stages:
            stage = [Child(spec, life, self._lock, self._tell) for spec in specs]
            self._stages.append(stage)
            self.children += stage
            for child in stage:
                child.start()
            if not await self._until_ready(stage, stop):
                return
            self.write_state()
            for child in stage:
                done = (after_stage or {}).get(child.spec.name)
                if done is not None:
                    await done()

    def _pipe(self) -> tuple[int, int]:
        """Make the pipe whose write end only this process holds: when it dies, however, every child's guard sees it."""
        read_end, write_end = os.pipe()
        os.set_inheritable(write_end, False)
        return read_end, write_end

    async def _until_ready(self, stage: Sequence[Child], stop: asyncio.Event) -> bool:
        stopped = asyncio.create_task(stop.wait())
        waits = [asyncio.create_task(child.wait_ready(START_S)) for child in stage]
        pending: set[asyncio.Task[Any]] = set(waits)
        while pending and not stopped.done():
            done, rest = await asyncio.wait({stopped, *pending}, timeout=TELL_S, return_when=asyncio.FIRST_COMPLETED)
            pending = {task for task in rest if task is not stopped}
            if not done:
                self._tell(
                    "\n".join(f"waiting for {each.spec.name}: {each.state}" for each in stage if each.state != "ready")
                )
        for task in (stopped, *pending):
            task.cancel()
        if pending:
            return False
        for child, wait in zip(stage, waits, strict=True):
            if wait.result():
                raise click.ClickException(_complaint(child, wait.result()))
        return True

    async def watch(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """Look after every process once a second, and yield after each look, until `stop` is set."""
        trimmed = time.monotonic()
        while not stop.is_set():
            await asyncio.gather(*(child.look() for child in self.children))
            self.write_state()
            if time.monotonic() - trimmed > 60:
                trimmed = time.monotonic()
                for child in self.children:
                    child.trim_log()
            yield
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_S)

    async def stop(self) -> None:
        """End the stages in reverse: stations, edges (they drain), workers, Valkey."""
        for stage in reversed(self._stages):
            await asyncio.gather(*(child.stop(at_once=self.hurry) for child in stage))
        with contextlib.suppress(OSError):
            self._state_path.unlink(missing_ok=True)

    @property
    def _state_path(self) -> Path:
        return self._data / "up.json"

    def write_state(self) -> None:
        """Write which processes run, for scripts: `<data>/up.json`."""
        state = {
            "pid": os.getpid(),
            "processes": {
                child.spec.name: {"pid": child.pid, "state": child.state, "restarts": child.restarts}
                for child in self.children
            },
            "urls": {child.spec.name: dict(child.spec.urls) for child in self.children if child.spec.urls},
        }
        with contextlib.suppress(OSError):
            fresh = self._state_path.with_suffix(".new")
            fresh.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=2))
            fresh.replace(self._state_path)


def _complaint(child: Child, reason: str) -> str:
    lines = "\n".join(f"  {line}" for line in child.last_lines())
    return f"{child.spec.name} does not serve: {reason}\nthe last lines of {child.spec.log}:\n{lines}"


@contextlib.contextmanager
def signals(stop: asyncio.Event, hurry: asyncio.Event) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM set `stop`, and the second `hurry`."""
    loop = asyncio.get_running_loop()

    def received() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, received)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
