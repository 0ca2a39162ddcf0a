"""A small fleet of the simulator's stations whose sessions last a second or two, all on one ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final, Self

from ampstream.simulate import chargepoint, messenger
from ampstream.simulate.fleet import Fleet
from ampstream.simulate.ledger import Book, FileLedger, read
from ampstream.simulate.physics import Outlet, arriving_car
from ampstream.simulate.profiles import Plan, Profile
from ampstream.simulate.session import Connector
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from shared.ocpp import events
from shared.ocpp.v16.enums import Reason
from shared.ocpp.v16.messages import MeterValuesRequest
from tests.chaos.harness import checks
from tests.chaos.harness.charger import now_ms
from tests.chaos.harness.journal import Executed, Journal
from tests.support import wait_until

SPEED: Final = 200.0
"""Simulated seconds in one: a session of five minutes takes 1.5 s. The stations' clocks run as fast."""
BEHIND_MS: Final = 12 * 3600 * 1000
"""Where the stations' clocks begin: so far back that they never reach the present."""
METER_EVERY_S: Final = 60
BACK_OFF_S: Final = 1.0
"""The longest pause between two dials; a minute in the field."""


def _plan(random: Random, outlet: Outlet, tags: Sequence[str]) -> Plan:
    return Plan(
        id_tag=random.choice(tags),
        charge=arriving_car(random, outlet),
        prepare_s=random.uniform(2, 20),
        stay_s=random.uniform(200, 500),
        reason=Reason.LOCAL if random.random() < 0.5 else Reason.EV_DISCONNECTED,
        finish_s=random.uniform(2, 20),
        gap_s=random.uniform(10, 100),
    )


BRISK: Final = Profile(
    name="brisk",
    summary="short sessions, one after the other",
    arrival=lambda random: random.uniform(1, 60),
    plan=_plan,
)


def _clock() -> Callable[[], int]:
    """Return a wall clock in ms that runs at the fleet's speed: rules that compare times see what they see outside."""
    begin, started = now_ms() - BEHIND_MS, time.monotonic()
    return lambda: begin + int((time.monotonic() - started) * SPEED * 1000)


class Cars:
    """The fleet and its ledger. `idle`: registers that were read while nobody charged (station, time in ms, Wh)."""

    def __init__(
        self,
        urls: Sequence[str],
        ledger: Path,
        count: int,
        seed: str,
        *,
        attempts: int = 100,
        answer_s: float = 0.0,
        journal: Journal | None = None,
    ) -> None:
        """`attempts`: after so many without an answer in `answer_s` (0: as ever) a message is given up.

        `journal` gets the commands that the stations execute.
        """
        self._journal = journal
        self._path = ledger
        self._ledger = FileLedger(ledger, seed, now_ms())
        self._wheel = LoopWheel()
        self.world = World(
            self._wheel, BRISK, seed=seed, speed=SPEED, ledger=self._ledger, wall_ms=_clock(), clock_speed=SPEED
        )
        self.idle: set[checks.Idle] = set()
        names = [f"CAR{n:03d}" for n in range(count)]
        self.fleet = Fleet(self.world, names, [Endpoint.parse(url) for url in urls])
        for station in self.fleet.stations:
            station.configuration.set("MeterValueSampleInterval", str(METER_EVERY_S))
            # A station whose message is not understood at once must not wait for a minute.
            station.configuration.set("TransactionMessageRetryInterval", "1")
            station.configuration.set("TransactionMessageAttempts", str(attempts))
        handle = messenger.Messenger._handle
        self._ordinary = chargepoint._BACK_OFF_MAX_S, Connector.idle_reading, messenger.CALL_TIMEOUT_S, handle
        self._answer_s = answer_s or messenger.CALL_TIMEOUT_S

    async def __aenter__(self) -> Self:
        """Give the stations their power."""
        cars, ordinary, take = self, Connector.idle_reading, messenger.Messenger._handle

        def idle_reading(self: Connector) -> MeterValuesRequest:
            at, request = cars.world.wall_ms(), ordinary(self)
            # A ledger knows only transactions; the clock may have moved on by a tick meanwhile.
            station = self._cp.station_id
            cars.idle |= {(station, moment, self.meter_wh) for moment in range(at, cars.world.wall_ms() + 1)}
            return request

        def handle(self: messenger.Messenger, call: events.InboundCall) -> None:
            if cars._journal is not None:
                cars._journal.note(Executed(self.station_id, 0, call.message_id, call.action))
            take(self, call)

        Connector.idle_reading = idle_reading  # type: ignore[method-assign, assignment]
        messenger.Messenger._handle = handle  # type: ignore[method-assign]
        chargepoint._BACK_OFF_MAX_S, messenger.CALL_TIMEOUT_S = BACK_OFF_S, self._answer_s
        self.fleet.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close all sockets and the ledger."""
        await self.close()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Let the cars charge until something is true."""
        await wait_until(condition, timeout_s, 0.02)

    async def more(self, sessions: int, timeout_s: float = 20.0) -> None:
        """Let so many more sessions end, and as many calls be answered."""
        stopped, answered = self.world.counters.stopped, self.world.counters.answered
        counters = self.world.counters
        await self.until(
            lambda: counters.stopped >= stopped + sessions and counters.answered >= answered + sessions, timeout_s
        )

    def book(self) -> Book:
        """Return what the ledger on disk says by now."""
        self._ledger.flush()
        return read(self._path)

    async def finish(self, timeout_s: float = 30.0) -> Book:
        """Stop every car, wait until all is reported, and return what the ledger on disk says."""
        done = await self.fleet.finish(timeout_s)
        waiting = {each.station_id: each.queued for each in self.fleet.stations if not each.idle}
        self._ledger.flush()
        assert done, f"I10: stations that could not report all within {timeout_s:g} s: {waiting}"
        return read(self._path)

    async def close(self) -> None:
        """Close all sockets and the ledger."""
        back_off, idle_reading, answer, handle = self._ordinary
        chargepoint._BACK_OFF_MAX_S, messenger.CALL_TIMEOUT_S = back_off, answer
        Connector.idle_reading = idle_reading  # type: ignore[method-assign]
        messenger.Messenger._handle = handle  # type: ignore[method-assign]
        await self.fleet.close()
        self._wheel.stop()
        await asyncio.sleep(0)
