"""One connector: a car plugs in, is authorised, charges, stops and leaves; then the next.

    Available ── plug ──> Preparing ── card ──> (Authorize) ──> Charging ─[SuspendedEV]─> Finishing ──> Available
                              └── refused: the car leaves ───────────────────────────────────────────────┘

Whatever is billed goes through the station's backlog and is noted in the ledger first. One timer per connector.
"""

from __future__ import annotations

from typing import Any

from ampstream.simulate.backlog import Charging, Item
from ampstream.simulate.ledger import START, STOP, Logical, Meter, Start, Stop
from ampstream.simulate.physics import Outlet
from ampstream.simulate.profiles import Plan, random_for
from ampstream.simulate.reports import start_request, stop_request
from ampstream.simulate.samples import Look, measurands, meter_value
from ampstream.simulate.visit import Host, Session
from ampstream.simulate.wheel import Timer
from shared.ocpp.v16.datatypes import MeterValue
from shared.ocpp.v16.enums import AuthorizationStatus, ChargePointStatus, ReadingContext, Reason
from shared.ocpp.v16.messages import (
    AuthorizeRequest,
    AuthorizeResponse,
    MeterValuesRequest,
)

_FREE = (ChargePointStatus.AVAILABLE, ChargePointStatus.PREPARING, ChargePointStatus.RESERVED)
_LEAST_S = 1.0
"""Between two looks at a session, simulated: a zero interval must not spin."""


class Connector:
    """One outlet and its cars; `number` counts from 1."""

    __slots__ = (
        "_cp",
        "_next_tag",
        "_parent",
        "_plan",
        "_timer",
        "meter_wh",
        "number",
        "operative",
        "outlet",
        "reported",
        "session",
        "sessions",
        "status",
    )

    def __init__(self, cp: Host, number: int, outlet: Outlet) -> None:
        self._cp = cp
        self.number = number
        self.outlet = outlet
        self.status = ChargePointStatus.AVAILABLE
        self.reported: ChargePointStatus | None = None
        """The status that the CSMS was told last."""
        self.operative = True
        self.sessions = 0
        self.session: Session | None = None
        self._plan: Plan | None = None
        self._next_tag = ""
        self._parent = ""
        self._timer: Timer | None = None
        self.meter_wh = self._random("meter").randrange(5_000, 4_000_000)

    def _random(self, *names: object) -> Any:
        return random_for(self._cp.world.seed, self._cp.station_id, self.number, *names)

    # --- the course of a visit

    def begin(self) -> None:
        """Wait for the first car, or go on with the one that charges."""
        if self.session is not None:
            self._step()
        else:
            self._later(self._cp.world.profile.arrival(self._random("arrival")), self._plug)

    def _plug(self) -> None:
        if self._cp.world.stopping or not self.operative:
            return
        held = self._cp.reservations.of(self.number) if self._cp.reservations else None
        # Who comes to a reserved outlet is who reserved it.
        self.arrive(held.id_tag if held is not None else "")

    def arrive(self, id_tag: str = "") -> None:
        """Let a car come now, with a tag of its own or that of its plan."""
        plan = self._prepare(id_tag)
        self._later(plan.prepare_s, self._show_card)

    def _prepare(self, id_tag: str = "") -> Plan:
        self.sessions += 1
        plan = self.plan_of(self.sessions)
        self._plan, self._next_tag, self._parent = plan, id_tag or plan.id_tag, ""
        if self._admitted():
            self._set_status(ChargePointStatus.PREPARING)
        return plan

    def _admitted(self) -> bool:
        held = self._cp.reservations
        return held is None or held.admits(self.number, self._next_tag, self._parent)

    def plan_of(self, n: int) -> Plan:
        """Return the plan of the connector's nth session: the same whenever it is asked for."""
        world = self._cp.world
        return world.profile.plan(self._random(n), self.outlet, world.tags)

    def _show_card(self) -> None:
        """Ask the CSMS about the tag, or the local list where that decides (§3.5)."""
        configuration, online = self._cp.configuration, self._cp.online
        if online and not configuration.switch("LocalPreAuthorize"):
            self._cp.request(AuthorizeRequest(id_tag=self._next_tag), self._authorized)
            return
        known = self._cp.features.local_list.find(self._next_tag)
        if known is None and online:
            self._cp.request(AuthorizeRequest(id_tag=self._next_tag), self._authorized)
        elif known is not None:
            self._authorized(AuthorizeResponse(id_tag_info=known))
        elif configuration.switch("AllowOfflineTxForUnknownId"):
            self._authorized(None)
        else:
            self._turn_away()

    def _authorized(self, response: AuthorizeResponse | None) -> None:
        if self._plan is None or self.session is not None:
            return
        info = response.id_tag_info if response is not None else None
        self._parent = (info.parent_id_tag or "") if info is not None else ""
        accepted = info is None or info.status == AuthorizationStatus.ACCEPTED
        if accepted and self._admitted():
            self._start()
        else:
            self._turn_away()

    def _turn_away(self) -> None:
        if self._plan is not None:
            self._later(self._plan.finish_s, self._unplug)

    def _start(self) -> None:
        plan, world = self._plan, self._cp.world
        if plan is None:
            return
        key, at = f"{self._cp.station_id}/{self.number}/{self.sessions}", world.wall_ms()
        self.session = Session(plan, self._next_tag, Charging(key), self.meter_wh, world.wheel.now())
        world.counters.started += 1
        start = Start(key, self._cp.station_id, self.number, self._next_tag, at, self.meter_wh)
        self.session.started_ms = at
        world.ledger.note(start)
        held = self._cp.reservations
        reservation = held.take(self.number, self._next_tag, self._parent) if held is not None else None
        self._cp.queue(Item(self.session.charging, START, start_request(start, reservation)))
        self._set_status(ChargePointStatus.CHARGING)
        self._set_next_meter(self.session)
        self._wait(self.session)

    def _step(self) -> None:
        """Look at the session: read the meter, lose the network or end it, whatever is due."""
        session = self.session
        if session is None:
            return
        elapsed = self.elapsed_s(session)
        plan = session.plan
        if session.outage_due and elapsed >= plan.outage_at_s:
            session.outage_due = False
            self._cp.go_offline(plan.outage_s)
        if elapsed >= plan.stay_s:
            self.stop(plan.reason)
            return
        if self._interval_s > 0 and elapsed >= session.next_meter_s:
            self.read_meter(ReadingContext.SAMPLE_PERIODIC)
            self._set_next_meter(session)
        if self._clock_interval_s > 0 and elapsed >= session.next_clock_s:
            self.read_meter(ReadingContext.SAMPLE_CLOCK)
            self._set_next_meter(session)
        if self.status == ChargePointStatus.CHARGING and elapsed >= plan.charge.time_to_s(100):
            self._set_status(ChargePointStatus.SUSPENDED_EV)
        self._wait(session)

    def _wait(self, session: Session) -> None:
        due = [session.plan.stay_s]
        if session.outage_due:
            due.append(session.plan.outage_at_s)
        if self._interval_s > 0:
            due.append(session.next_meter_s)
        if self._clock_interval_s > 0:
            due.append(session.next_clock_s)
        self._later(max(min(due) - self.elapsed_s(session), _LEAST_S), self._step)

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

    def look(self) -> Look:
        """Read the meter."""
        session = self.session
        if session is None:
            return Look(self.meter_wh)
        elapsed = self.elapsed_s(session)
        charge = session.plan.charge
        # Never back, not even by the rounding of a session that was taken up again.
        self.meter_wh = max(self.meter_wh, session.base_wh + int(charge.energy_wh(elapsed)))
        return Look(self.meter_wh, charge, elapsed)

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
        begun = Look(session.base_wh, session.plan.charge, 0.0)
        return (
            meter_value(session.started_ms or at, begun, wanted, ReadingContext.TRANSACTION_BEGIN),
            meter_value(at, look, wanted, ReadingContext.TRANSACTION_END),
        )

    def stop(self, reason: Reason) -> None:
        """End the transaction; the car leaves some time after."""
        session, world = self.session, self._cp.world
        if session is None:
            return
        look, at = self.look(), world.wall_ms()
        self.session = None
        stop = Stop(session.charging.key, at, look.register_wh, reason.value)
        world.ledger.note(stop)
        if self._cp.behaviour.free_before_stop:
            self._set_status(ChargePointStatus.AVAILABLE)
        stopped = stop_request(stop, session.id_tag, self._stop_data(session, at, look))
        self._cp.queue(Item(session.charging, STOP, stopped))
        self._cp.session_ended(self.number)
        world.counters.stopped += 1
        world.counters.energy_wh += look.register_wh - session.base_wh
        if not self._cp.behaviour.free_before_stop:
            self._set_status(ChargePointStatus.FINISHING)
        self._later(session.plan.finish_s, self._unplug)

    def _unplug(self) -> None:
        if self._cp.behaviour.stuck_finishing and self.status == ChargePointStatus.FINISHING:
            return
        plan, self._plan = self._plan, None
        self.rest()
        if plan is not None:
            self._later(plan.gap_s, self._plug)

    def _later(self, simulated_s: float, step: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._cp.world.wheel.after(simulated_s / self._cp.world.speed, step)

    def _set_status(self, status: ChargePointStatus) -> None:
        if self.status != status:
            self.status = status
            self._cp.status_changed()

    # --- what comes from outside

    def rest(self) -> None:
        """Show what an outlet without a car is: available, reserved or out of service."""
        if self._plan is not None:
            return
        held = self._cp.reservations
        if not self.operative:
            self._set_status(ChargePointStatus.UNAVAILABLE)
        elif held is not None and held.of(self.number) is not None:
            self._set_status(ChargePointStatus.RESERVED)
        else:
            self._set_status(ChargePointStatus.AVAILABLE)

    def start_answered(self, status: AuthorizationStatus) -> None:
        """Stop where the start was answered with a tag that may not charge (§4.8, StopTransactionOnInvalidId)."""
        if status != AuthorizationStatus.ACCEPTED and self._cp.configuration.switch("StopTransactionOnInvalidId"):
            self.stop(Reason.DE_AUTHORIZED)

    def remote_start(self, id_tag: str) -> bool:
        """Let a car in without its card; False where the outlet is taken."""
        free = self.status in _FREE and (
            self._cp.reservations is None or self._cp.reservations.admits(self.number, id_tag)
        )
        if not free or self.session is not None or not self.operative:
            return False
        if self._cp.behaviour.ignores_remote_start:
            return True
        if self._plan is None:
            self._prepare(id_tag)
        self._next_tag = id_tag
        authorize = self._cp.configuration.switch("AuthorizeRemoteTxRequests")
        self._later(2.0, self._show_card if authorize else self._start)
        return True

    def set_operative(self, operative: bool) -> bool:
        """Do what ChangeAvailability asks; False where it has to wait for a car (§5.2)."""
        self.operative = operative
        if self._plan is not None:
            return operative
        if not operative and self._cp.reservations is not None:
            self._cp.reservations.end_on(self.number)
        self.rest()
        if operative:
            self._later(self._cp.world.profile.arrival(self._random("arrival", self.sessions)), self._plug)
        return True

    def reboot(self, reason: Reason) -> None:
        """Stop what runs; after the reboot the car is gone."""
        self.stop(reason)
        self.reported = None
        if self.status == ChargePointStatus.FINISHING and self._cp.behaviour.stuck_finishing:
            self._plan = None
            self.rest()

    def resume(self, past: list[Logical]) -> None:
        """Take up what the ledger tells: the meter, the number of sessions, and the car that still charges."""
        if not past:
            return
        last = past[-1]
        self.sessions = max(int(logical.start.key.rsplit("/", 1)[1]) for logical in past)
        self.meter_wh = max(logical.last_meter_wh for logical in past)
        if last.stop is not None:
            return
        world = self._cp.world
        plan = self.plan_of(int(last.start.key.rsplit("/", 1)[1]))
        charging = Charging(last.start.key, last.ids[-1] if last.ids else None)
        # The car goes on where its last reading was; what it drew while nobody looked is not made up.
        elapsed = plan.charge.time_at_s(self.meter_wh - last.start.meter_wh)
        started = world.wheel.now() - elapsed / world.speed
        self._plan = plan
        self.session = Session(plan, last.start.id_tag, charging, last.start.meter_wh, started)
        self.session.meters = max(last.meters, default=0)
        self.session.outage_due = False
        self.session.started_ms = last.start.at
        self.status = ChargePointStatus.CHARGING
