"""How a car's charging goes on under the limits of its station: one `Flow` per session.

    schedules change, a period begins ──> check ──(the station's reaction)──> obey ──> a new stretch, a new status

A station takes a second to act on a change, a car four to draw less and twelve to draw more (simulated, as all of it).
What a behaviour does wrong is done here. Without any profile installed nothing of this costs anything.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ampstream.simulate.allowance import Allowed
from ampstream.simulate.behaviours import Behaviour
from ampstream.simulate.drawlog import Drawn
from ampstream.simulate.physics import LEAST_A, LEAST_DC_W, VOLTS, Charge
from shared.ocpp.v16.enums import ChargePointStatus, Reason

if TYPE_CHECKING:
    from ampstream.simulate.session import Connector
    from ampstream.simulate.visit import Host, Session

REACTION_S: Final = 1.0
"""Until a station acts on a change of what it may draw."""


class Flow:
    """What a car draws, and what it is let."""

    __slots__ = ("allowed", "asleep", "begun", "charge", "check_at_s", "full_at_s", "offered_a", "origin_ms", "stretch")

    def __init__(self, charge: Charge) -> None:
        self.charge = charge
        self.stretch = charge.unhindered()
        self.full_at_s = self.stretch.time_at_s(charge.full_wh)
        self.allowed = Allowed(math.inf, self.phases)
        """What the profiles allowed when they were looked at last."""
        self.check_at_s = math.inf
        """When they may allow something else, since the session's start."""
        self.offered_a = math.inf
        """What the station lets through, each phase; 0: it pauses."""
        self.origin_ms = 0.0
        """When it began, by the station's clock; 0: nobody wanted to know."""
        self.begun = False
        """The contactor is closed: from now on changes take their time."""
        self.asleep = False
        """The car does not wake up any more."""

    @property
    def paused(self) -> bool:
        """The station lets nothing through."""
        return self.offered_a <= 0

    @property
    def phases(self) -> int:
        """How many phases a limit in A counts on: the car's, of a DC outlet its own."""
        charge = self.charge
        return charge.phases if charge.outlet.current == "AC" else charge.outlet.phases

    def status(self, elapsed_s: float) -> ChargePointStatus:
        """Return what the connector shows."""
        if elapsed_s >= self.full_at_s or (self.asleep and not self.paused):
            return ChargePointStatus.SUSPENDED_EV
        return ChargePointStatus.SUSPENDED_EVSE if self.paused else ChargePointStatus.CHARGING

    def follow(self, elapsed_s: float, limit_w: float, phases: int) -> None:
        """Go on under another limit."""
        before = self.stretch
        elapsed_s = elapsed_s if self.begun else 0.0
        from_w = before.power_w(elapsed_s)
        if self.asleep:
            limit_w = 0.0
        used = phases if self.charge.outlet.current == "AC" else None
        self.stretch = self.charge.stretch(elapsed_s, before.energy_wh(elapsed_s), from_w, limit_w, used)
        if elapsed_s < self.full_at_s:
            self.full_at_s = self.stretch.time_at_s(self.charge.full_wh)


def check(cp: Host, connector: Connector, session: Session) -> None:
    """Look at what the profiles allow; a change counts after the station's reaction, before the start at once."""
    flow, world, schedules = session.flow, cp.world, cp.schedules
    if schedules is None:
        return
    allowed, again_s = schedules.allowed(connector.number, flow.phases)
    # Clocks and sessions run apart: a schedule by the station's clock, a session by simulated time.
    flow.check_at_s = connector.elapsed_s(session) + again_s * world.speed / world.clock_speed
    if allowed == flow.allowed:
        return
    flow.allowed = allowed
    delay_s = cp.behaviour.obeys_after_s + (REACTION_S if flow.begun else 0.0)
    if delay_s > 0:
        world.after(delay_s, lambda: _obey(cp, connector, session, allowed))
    else:
        _obey(cp, connector, session, allowed)


def _obey(cp: Host, connector: Connector, session: Session, allowed: Allowed) -> None:
    if connector.session is not session:
        return
    flow, behaviour = session.flow, cp.behaviour
    amps = _offered(flow, allowed, behaviour)
    if amps is None:
        return
    if amps <= 0 and behaviour.at_zero == "end":
        cp.world.after(REACTION_S, lambda: connector.end_if(session, Reason.OTHER))
        return
    flow.offered_a = amps
    if flow.paused and behaviour.cars_stay_asleep:
        flow.asleep = True
    taken = _steps(amps, flow.charge.step_a)
    flow.follow(connector.elapsed_s(session), taken * VOLTS * allowed.phases, allowed.phases)
    if flow.begun:
        note(cp, connector, session)
        connector.look_again()


def _offered(flow: Flow, allowed: Allowed, behaviour: Behaviour) -> float | None:
    """Return the current that the station offers, 0 to pause; None: it does not care."""
    dc = flow.charge.outlet.current == "DC"
    least = LEAST_DC_W / (VOLTS * allowed.phases) if dc else LEAST_A
    if allowed.amps >= least:
        return allowed.amps
    if allowed.amps > 0:
        return least if behaviour.below_minimum == "minimum" else 0.0
    if behaviour.at_zero == "ignore":
        return None
    return least if behaviour.at_zero == "minimum" else 0.0


def _steps(amps: float, step_a: float) -> float:
    return amps // step_a * step_a if step_a and math.isfinite(amps) else amps


def note(cp: Host, connector: Connector, session: Session, *, ended: bool = False) -> None:
    """Write what is truly drawn from now on into the fleet's log, where it keeps one."""
    world = cp.world
    if world.draws is None:
        return
    rate, elapsed_s, charge = world.speed / world.clock_speed, connector.elapsed_s(session), session.plan.charge
    origin_ms = session.flow.origin_ms or world.wall_ms() - elapsed_s / rate * 1000
    session.flow.origin_ms = origin_ms
    world.draws.note(
        Drawn(
            station=cp.station_id,
            connector=connector.number,
            at_ms=round(origin_ms + elapsed_s / rate * 1000),
            origin_ms=origin_ms,
            rate=rate,
            dc_phases=charge.outlet.phases if charge.outlet.current == "DC" else 0,
            stretch=None if ended else session.flow.stretch,
        )
    )
