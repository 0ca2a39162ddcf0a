"""The meter of one connector: what it reads, when, and what is told of it (OCPP 1.6 §4.7)."""

from __future__ import annotations

from typing import Any

from ampstream.simulate.backlog import Item
from ampstream.simulate.ledger import Meter
from ampstream.simulate.physics import Outlet
from ampstream.simulate.profiles import random_for
from ampstream.simulate.samples import Look, measurands, meter_value
from ampstream.simulate.visit import Host, Session
from shared.ocpp.v16.datatypes import MeterValue
from shared.ocpp.v16.enums import ReadingContext
from shared.ocpp.v16.messages import MeterValuesRequest


class Metered:
    """An outlet, the car that charges on it, and its register."""

    __slots__ = ("_cp", "meter_wh", "number", "outlet", "session")

    def __init__(self, cp: Host, number: int, outlet: Outlet) -> None:
        self._cp = cp
        self.number = number
        self.outlet = outlet
        self.session: Session | None = None
        self.meter_wh: int = self._random("meter").randrange(5_000, 4_000_000)

    def _random(self, *names: object) -> Any:
        return random_for(self._cp.world.seed, self._cp.station_id, self.number, *names)

    @property
    def _interval_s(self) -> int:
        return self._cp.configuration.number("MeterValueSampleInterval")

    @property
    def _clock_interval_s(self) -> int:
        return self._cp.configuration.number("ClockAlignedDataInterval")

    def _set_next_meter(self, session: Session) -> None:
        elapsed, interval, clock = self.elapsed_s(session), self._interval_s, self._clock_interval_s
        if interval > 0:
            session.next_meter_s = (elapsed // interval + 1) * interval
        if clock > 0:
            # Aligned to the clock, from midnight on (§9.1.5); only while a car charges.
            offset = session.started_ms / 1000 % clock
            session.next_clock_s = ((elapsed + offset) // clock + 1) * clock - offset

    def elapsed_s(self, session: Session) -> float:
        """Return the simulated time since the session's start."""
        world = self._cp.world
        return (world.wheel.now() - session.started) * world.speed

    @property
    def power_w(self) -> float:
        """What is drawn now."""
        session = self.session
        return session.flow.stretch.power_w(self.elapsed_s(session)) if session is not None else 0.0

    def look(self) -> Look:
        """Read the meter."""
        session = self.session
        if session is None:
            return Look(self.meter_wh)
        elapsed, flow = self.elapsed_s(session), session.flow
        energy = flow.stretch.energy_wh(elapsed)
        # Never back, not even by the rounding of a session that was taken up again.
        self.meter_wh = max(self.meter_wh, session.base_wh + int(energy))
        return Look(
            self.meter_wh, flow.charge, flow.stretch.power_w(elapsed), energy, flow.stretch.phases, flow.offered_a
        )

    def read_meter(self, context: ReadingContext) -> None:
        """Queue a MeterValues of the running session."""
        session, world = self.session, self._cp.world
        if session is None:
            return
        session.meters += 1
        at, look = world.wall_ms(), self.look()
        world.ledger.note(Meter(session.charging.key, session.meters, at, look.register_wh))
        value = self._meter_value(at, look, context)
        self._cp.queue(
            Item(
                session.charging,
                str(session.meters),
                MeterValuesRequest(connector_id=self.number, meter_value=(value,)),
            )
        )

    def idle_reading(self) -> MeterValuesRequest:
        """Return a triggered reading of an outlet where nobody charges."""
        value = self._meter_value(self._cp.world.wall_ms(), self.look(), ReadingContext.TRIGGER)
        return MeterValuesRequest(connector_id=self.number, meter_value=(value,))

    def _meter_value(self, at: int, look: Look, context: ReadingContext) -> MeterValue:
        key = "MeterValuesAlignedData" if context == ReadingContext.SAMPLE_CLOCK else "MeterValuesSampledData"
        return meter_value(at, look, measurands(self._cp.configuration.measurands(key)), context)

    def _stop_data(self, session: Session, at: int, look: Look) -> tuple[MeterValue, ...]:
        """Return the readings at begin and end that StopTxnSampledData asks for (§9.1.27)."""
        wanted = measurands(self._cp.configuration.measurands("StopTxnSampledData"))
        if not wanted:
            return ()
        begun = Look(session.base_wh, session.plan.charge)
        return (
            meter_value(session.started_ms or at, begun, wanted, ReadingContext.TRANSACTION_BEGIN),
            meter_value(at, look, wanted, ReadingContext.TRANSACTION_END),
        )
