"""One connector: a car plugs in, is authorised, charges, stops and leaves; then the next.

    Available ── plug ──> Preparing ── card ──> (Authorize) ──> Charging ─[Suspended…]─> Finishing ──> Available
                              └── refused: the car leaves ───────────────────────────────────────────────┘

Whatever is billed goes through the station's backlog and is noted in the ledger first. One timer per connector.
"""

from __future__ import annotations

from typing import Any

from ampstream.simulate.backlog import Charging, Item
from ampstream.simulate.flow import check, note
from ampstream.simulate.ledger import START, STOP, Logical, Start, Stop
from ampstream.simulate.metering import Metered
from ampstream.simulate.physics import Outlet
from ampstream.simulate.profiles import Plan
from ampstream.simulate.reports import start_request, stop_request
from ampstream.simulate.visit import Host, Session
from ampstream.simulate.wheel import Timer
from shared.ocpp.v16.datatypes import ChargingProfile
from shared.ocpp.v16.enums import AuthorizationStatus, ChargePointStatus, ReadingContext, Reason
from shared.ocpp.v16.messages import AuthorizeRequest, AuthorizeResponse

_FREE = (ChargePointStatus.AVAILABLE, ChargePointStatus.PREPARING, ChargePointStatus.RESERVED)
_CHARGES = (ChargePointStatus.CHARGING, ChargePointStatus.SUSPENDED_EV, ChargePointStatus.SUSPENDED_EVSE)
_LEAST_S = 1.0
"""Between two looks at a session, simulated: a zero interval must not spin."""


class Connector(Metered):
    """One outlet and its cars; `number` counts from 1."""

    __slots__ = ("_next_tag", "_parent", "_plan", "_profile", "_timer", "operative", "reported", "sessions", "status")

    def __init__(self, cp: Host, number: int, outlet: Outlet) -> None:
        super().__init__(cp, number, outlet)
        self.status = ChargePointStatus.AVAILABLE
        self.reported: ChargePointStatus | None = None
        """The status that the CSMS was told last."""
        self.operative = True
        self.sessions = 0
        self._plan: Plan | None = None
        self._next_tag = ""
        self._parent = ""
        self._timer: Timer | None = None
        self._profile: ChargingProfile | None = None
        """What a remote start brought for its transaction."""

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
        self._profile = None
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
        self._begin_flow(self.session)
        self._set_status(self.session.flow.status(0.0))
        self._set_next_meter(self.session)
        self._wait(self.session)

    def _begin_flow(self, session: Session) -> None:
        """Let it flow, as far as the profiles allow: those that are there, and what a remote start brought."""
        cp, profile = self._cp, self._profile
        self._profile = None
        schedules = cp.schedules if profile is None else cp.features.schedules
        if schedules is not None and profile is not None:
            schedules.install(self.number, profile)
        if schedules is not None:
            schedules.changed()
        session.flow.begun = True
        note(cp, self, session)

    @property
    def full(self) -> bool:
        """The car takes no more."""
        return self.status == ChargePointStatus.SUSPENDED_EV

    def check_limits(self) -> None:
        """Look at what the car may draw: profiles came or went."""
        if self.session is not None:
            check(self._cp, self, self.session)
            if self.session.flow.begun:
                self._wait(self.session)

    def look_again(self) -> None:
        """Show what the car does now that its limit is another."""
        self._step()

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
        if elapsed >= session.flow.check_at_s:
            check(self._cp, self, session)
        if self.status in _CHARGES:
            self._show(session.flow.status(elapsed))
        self._wait(session)

    def _show(self, status: ChargePointStatus) -> None:
        grown_full = status == ChargePointStatus.SUSPENDED_EV and not self.full
        self._set_status(status)
        if grown_full and self._cp.schedules is not None:
            # What it had of the station's maximum is the others' now.
            self._cp.schedules.changed()

    def _wait(self, session: Session) -> None:
        flow = session.flow
        due = [session.plan.stay_s, flow.check_at_s]
        if self.status == ChargePointStatus.CHARGING:
            due.append(flow.full_at_s)
        if session.outage_due:
            due.append(session.plan.outage_at_s)
        if self._interval_s > 0:
            due.append(session.next_meter_s)
        if self._clock_interval_s > 0:
            due.append(session.next_clock_s)
        self._later(max(min(due) - self.elapsed_s(session), _LEAST_S), self._step)

    def stop(self, reason: Reason) -> None:
        """End the transaction; the car leaves some time after."""
        session, world = self.session, self._cp.world
        if session is None:
            return
        look, at = self.look(), world.wall_ms()
        note(self._cp, self, session, ended=True)
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

    def end_if(self, session: Session, reason: Reason) -> None:
        """End the transaction where it is still this one."""
        if self.session is session:
            self.stop(reason)

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

    def remote_start(self, id_tag: str, profile: ChargingProfile | None = None) -> bool:
        """Let a car in without its card, under a profile of its transaction; False where the outlet is taken."""
        free = self.status in _FREE and (
            self._cp.reservations is None or self._cp.reservations.admits(self.number, id_tag)
        )
        if not free or self.session is not None or not self.operative:
            return False
        if self._cp.behaviour.ignores_remote_start:
            return True
        if self._plan is None:
            self._prepare(id_tag)
        self._next_tag, self._profile = id_tag, profile
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
        self.session.flow.begun = True
        note(self._cp, self, self.session)
        self.status = ChargePointStatus.CHARGING
