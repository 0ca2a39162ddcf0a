"""One car that charges, and what a connector needs of its station (`ampstream.simulate.session`)."""

from __future__ import annotations

from typing import Any, Protocol

from ampstream.simulate.backlog import Charging, Item
from ampstream.simulate.behaviours import Behaviour
from ampstream.simulate.configuration import Configuration
from ampstream.simulate.features import Features
from ampstream.simulate.flow import Flow
from ampstream.simulate.profiles import Plan
from ampstream.simulate.reservations import Reservations
from ampstream.simulate.schedules import Schedules
from ampstream.simulate.world import World
from shared.ocpp.messages import Request


class Host(Protocol):
    """What a connector needs of its station."""

    station_id: str
    world: World
    configuration: Configuration
    behaviour: Behaviour

    @property
    def features(self) -> Features:
        """What it has beyond charging."""

    @property
    def reservations(self) -> Reservations | None:
        """Its reservations; None where it never had any."""

    @property
    def online(self) -> bool:
        """Registration accepted and socket open."""

    @property
    def schedules(self) -> Schedules | None:
        """Its charging profiles; None where it never had any."""

    def request(self, payload: Request[Any], answered: Any) -> None:
        """Send a CALL that is no transaction message; `answered` gets the response, None for no or an error."""

    def queue(self, item: Item) -> None:
        """Queue a transaction message, noted already."""

    def status_changed(self) -> None:
        """Report a connector's status."""

    def session_ended(self, connector: int) -> None:
        """Forget what was for that session alone."""

    def go_offline(self, simulated_s: float) -> None:
        """Lose the network for a while."""


class Session:
    """One car that charges."""

    __slots__ = (
        "base_wh",
        "charging",
        "flow",
        "id_tag",
        "meters",
        "next_clock_s",
        "next_meter_s",
        "outage_due",
        "plan",
        "started",
        "started_ms",
    )

    def __init__(self, plan: Plan, id_tag: str, charging: Charging, base_wh: int, started: float) -> None:
        self.plan = plan
        self.flow = Flow(plan.charge)
        self.id_tag = id_tag
        self.charging = charging
        self.base_wh = base_wh
        self.started = started
        self.meters = 0
        self.next_meter_s = 0.0
        self.next_clock_s = 0.0
        self.started_ms = 0
        self.outage_due = plan.outage_at_s >= 0
