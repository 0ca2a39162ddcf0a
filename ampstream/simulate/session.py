"""One connector: a car plugs in, is authorised, charges, stops and leaves; then the next.

    Available ── plug ──> Preparing ── card ──> (Authorize) ──> Charging ─[SuspendedEV]─> Finishing ──> Available
                              └── refused: the car leaves ───────────────────────────────────────────────┘

Whatever is billed goes through the station's backlog and is noted in the ledger first. One timer per connector.
"""

from __future__ import annotations

from typing import Any, Protocol

from ampstream.simulate.backlog import Charging, Item
from ampstream.simulate.configuration import Configuration
from ampstream.simulate.ledger import START, STOP, Logical, Meter, Start, Stop
from ampstream.simulate.physics import Outlet
from ampstream.simulate.profiles import Plan, random_for
from ampstream.simulate.samples import Look, measurands, meter_value
from ampstream.simulate.wheel import Timer
from ampstream.simulate.world import World
from shared.ocpp.messages import Request
from shared.ocpp.timestamps import format_time
from shared.ocpp.v16.datatypes import MeterValue
from shared.ocpp.v16.enums import AuthorizationStatus, ChargePointStatus, ReadingContext, Reason
from shared.ocpp.v16.messages import (
    AuthorizeRequest,
    AuthorizeResponse,
    MeterValuesRequest,
    StartTransactionRequest,
    StopTransactionRequest,
)

_LEAST_S = 1.0
"""Between two looks at a session, simulated: a zero interval must not spin."""


class Host(Protocol):
    """What a connector needs of its station."""

    station_id: str
    world: World
    configuration: Configuration

    @property
    def online(self) -> bool:
        """Registration accepted and socket open."""

    def request(self, payload: Request[Any], answered: Any) -> None:
        """Send a CALL that is no transaction message; `answered` gets the response, None for no or an error."""

    def queue(self, item: Item) -> None:
        """Queue a transaction message, noted already."""

    def status_changed(self) -> None:
        """Report a connector's status."""

    def go_offline(self, simulated_s: float) -> None:
        """Lose the network for a while."""


class Session:
    """One car that charges."""

    __slots__ = ("base_wh", "charging", "id_tag", "meters", "next_meter_s", "outage_due", "plan", "started")

    def __init__(self, plan: Plan, id_tag: str, charging: Charging, base_wh: int, started: float) -> None:
        self.plan = plan
        self.id_tag = id_tag
        self.charging = charging
        self.base_wh = base_wh
        self.started = started
        self.meters = 0
        self.next_meter_s = 0.0
        self.outage_due = plan.outage_at_s >= 0


class Connector:
    """One outlet and its cars; `number` counts from 1."""

    __slots__ = (
        "_cp",
        "_next_tag",
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
        plan = self._prepare()
        self._later(plan.prepare_s, self._show_card)

    def _prepare(self, id_tag: str = "") -> Plan:
        self.sessions += 1
        plan = self.plan_of(self.sessions)
        self._plan, self._next_tag = plan, id_tag or plan.id_tag
        self._set_status(ChargePointStatus.PREPARING)
        return plan

    def plan_of(self, n: int) -> Plan:
        """Return the plan of the connector's nth session: the same whenever it is asked for."""
        world = self._cp.world
        return world.profile.plan(self._random(n), self.outlet, world.tags)

    def _show_card(self) -> None:
        # Offline, unknown tags are allowed in (AllowOfflineTxForUnknownId).
        if self._cp.online:
            self._cp.request(AuthorizeRequest(id_tag=self._next_tag), self._authorized)
        else:
            self._start()

    def _authorized(self, response: AuthorizeResponse | None) -> None:
        if self._plan is None or self.session is not None:
            return
        if response is None or response.id_tag_info.status == AuthorizationStatus.ACCEPTED:
            self._start()
        else:
            self._later(self._plan.finish_s, self._unplug)

    def _start(self) -> None:
        plan, world = self._plan, self._cp.world
        if plan is None:
            return
        key, at = f"{self._cp.station_id}/{self.number}/{self.sessions}", world.wall_ms()
        self.session = Session(plan, self._next_tag, Charging(key), self.meter_wh, world.wheel.now())
        world.counters.started += 1
        start = Start(key, self._cp.station_id, self.number, self._next_tag, at, self.meter_wh)
        world.ledger.note(start)
        self._cp.queue(Item(self.session.charging, START, start_request(start)))
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
        if self.status == ChargePointStatus.CHARGING and elapsed >= plan.charge.time_to_s(100):
            self._set_status(ChargePointStatus.SUSPENDED_EV)
        self._wait(session)

    def _wait(self, session: Session) -> None:
        due = [session.plan.stay_s]
        if session.outage_due:
            due.append(session.plan.outage_at_s)
        if self._interval_s > 0:
            due.append(session.next_meter_s)
        self._later(max(min(due) - self.elapsed_s(session), _LEAST_S), self._step)

    @property
    def _interval_s(self) -> int:
        return self._cp.configuration.number("MeterValueSampleInterval")

    def _set_next_meter(self, session: Session) -> None:
        interval = self._interval_s
        if interval > 0:
            session.next_meter_s = (self.elapsed_s(session) // interval + 1) * interval

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
        wanted = measurands(self._cp.configuration.text("MeterValuesSampledData"))
        return meter_value(at, look, wanted, context)

    def stop(self, reason: Reason) -> None:
        """End the transaction; the car leaves some time after."""
        session, world = self.session, self._cp.world
        if session is None:
            return
        look, at = self.look(), world.wall_ms()
        self.session = None
        stop = Stop(session.charging.key, at, look.register_wh, reason.value)
        world.ledger.note(stop)
        self._cp.queue(Item(session.charging, STOP, stop_request(stop, session.id_tag)))
        world.counters.stopped += 1
        world.counters.energy_wh += look.register_wh - session.base_wh
        self._set_status(ChargePointStatus.FINISHING)
        self._later(session.plan.finish_s, self._unplug)

    def _unplug(self) -> None:
        plan, self._plan = self._plan, None
        self._set_status(ChargePointStatus.AVAILABLE if self.operative else ChargePointStatus.UNAVAILABLE)
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

    def start_answered(self, status: AuthorizationStatus) -> None:
        """Stop where the start was answered with a tag that may not charge (§4.8, StopTransactionOnInvalidId)."""
        if status != AuthorizationStatus.ACCEPTED and self._cp.configuration.switch("StopTransactionOnInvalidId"):
            self.stop(Reason.DE_AUTHORIZED)

    def remote_start(self, id_tag: str) -> bool:
        """Let a car in without its card; False where the outlet is taken."""
        free = self.status in (ChargePointStatus.AVAILABLE, ChargePointStatus.PREPARING)
        if not free or self.session is not None or not self.operative:
            return False
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
        self._set_status(ChargePointStatus.AVAILABLE if operative else ChargePointStatus.UNAVAILABLE)
        if operative:
            self._later(self._cp.world.profile.arrival(self._random("arrival", self.sessions)), self._plug)
        return True

    def reboot(self, reason: Reason) -> None:
        """Stop what runs; after the reboot the car is gone."""
        self.stop(reason)
        self.reported = None

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
        self.status = ChargePointStatus.CHARGING


def start_request(start: Start) -> StartTransactionRequest:
    """Return the CALL that reports a start."""
    return StartTransactionRequest(
        connector_id=start.connector, id_tag=start.id_tag, meter_start=start.meter_wh, timestamp=format_time(start.at)
    )


def meter_request(meter: Meter, connector: int) -> MeterValuesRequest:
    """Return the CALL that reports a reading of which only the register is remembered."""
    value = meter_value(meter.at, Look(meter.meter_wh), measurands("Energy.Active.Import.Register"))
    return MeterValuesRequest(connector_id=connector, meter_value=(value,))


def stop_request(stop: Stop, id_tag: str) -> StopTransactionRequest:
    """Return the CALL that reports a stop; the backlog puts the transaction id in."""
    local = stop.reason == Reason.LOCAL
    return StopTransactionRequest(
        transaction_id=0,
        meter_stop=stop.meter_wh,
        timestamp=format_time(stop.at),
        reason=Reason(stop.reason),
        id_tag=id_tag if local else None,
    )
