"""One simulated OCPP 1.6 station: its power, its network, its registration and its heartbeats.

    power_on ──> dial ──> (BootNotification) ──> Accepted ──> statuses, heartbeats, backlog ──┐
                  ↑                                                                           │ connection lost
                  └────────────────── jittered back-off, or the end of an outage ─────────────┘

Cars are `session`'s business, the CSMS's calls `answers`', calls and their answers `messenger`'s. Everything is
callbacks on the fleet's one wheel; a waiting station has no task.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from ampstream.simulate import answers
from ampstream.simulate.backlog import Item
from ampstream.simulate.behaviours import PLAIN, Behaviour
from ampstream.simulate.configuration import Configuration
from ampstream.simulate.features import Features
from ampstream.simulate.identity import Identity, prove_anew
from ampstream.simulate.ledger import Logical
from ampstream.simulate.messenger import Link, Messenger, Then
from ampstream.simulate.models import Model, choose
from ampstream.simulate.profiles import random_for
from ampstream.simulate.reports import boot_request, status_request
from ampstream.simulate.reservations import Reservations
from ampstream.simulate.resume import pending_items
from ampstream.simulate.schedules import Schedules
from ampstream.simulate.session import Connector
from ampstream.simulate.wheel import Timer
from ampstream.simulate.world import World
from shared.ocpp.frames import Payload
from shared.ocpp.messages import Request, Response
from shared.ocpp.v16.enums import ChargePointStatus, Reason, RegistrationStatus
from shared.ocpp.v16.messages import (
    BootNotificationRequest,
    BootNotificationResponse,
    HeartbeatRequest,
    StartTransactionResponse,
)
from shared.ocpp.versions import OCPP16

_BACK_OFF_S = 1.0
_BACK_OFF_MAX_S = 60.0
_REBOOT_S = 25.0
"""How long a reboot takes, simulated."""
_BOOT_AGAIN_S = 30.0
"""Before the next BootNotification where the last got no answer."""


class Dialler(Protocol):
    """Who connects stations; answers by `attach` and the listener's callbacks, or by `unreachable`."""

    def dial(self, station: ChargePoint) -> None:
        """Begin to connect."""


class ChargePoint(Messenger):
    """A station and its connectors; also the `Listener` of its socket."""

    __slots__ = (
        "_away",
        "_dialler",
        "_dialling",
        "_dials",
        "_failures",
        "_features",
        "_heartbeat",
        "booted",
        "connectors",
        "firmware",
        "model",
        "operative",
        "registration",
        "reported",
    )

    def __init__(
        self,
        world: World,
        dialler: Dialler,
        station_id: str,
        model: Model | None = None,
        behaviour: Behaviour = PLAIN,
    ) -> None:
        self.model = model or choose(random_for(world.seed, station_id, "model"))
        outlets, count = self.model.outlets, str(len(self.model.outlets))
        keys = Configuration(self.model.keys, self.model.measurands, behaviour, NumberOfConnectors=count)
        super().__init__(world, station_id, keys, behaviour)
        self._features: Features | None = None
        self.firmware = behaviour.version or self.model.firmware
        self._dialler = dialler
        self.connectors = tuple(Connector(self, number, outlet) for number, outlet in enumerate(outlets, 1))
        self.registration: RegistrationStatus | None = None
        self.booted = False
        """The CSMS accepted a boot since the power came."""
        self.operative = True
        self.reported: ChargePointStatus | None = None
        """The status of connector 0, the station itself, that the CSMS was told last."""
        self._away = 0
        """Reasons not to dial: outages and reboots that run."""
        self._dialling = False
        self._dials = 0
        self._failures = 0
        self._heartbeat: Timer | None = None

    # --- power and network

    def power_on(self, past: list[Logical] | None = None) -> None:
        """Start the cars and dial; `past` is what the ledger knows of this station."""
        past = past or []
        for connector in self.connectors:
            connector.resume([one for one in past if one.start.connector == connector.number])
        running = {c.session.charging.key: c.session.charging for c in self.connectors if c.session}
        for item in pending_items(past, running):
            self._backlog.push(item)
        for connector in self.connectors:
            connector.begin()
        self._dial()

    def attach(self, link: Link) -> None:
        """Take the socket that is being opened."""
        self._link = link

    @property
    def online(self) -> bool:
        """Registration accepted and socket open."""
        return self._rpc is not None and self.registration == RegistrationStatus.ACCEPTED

    @property
    def failures(self) -> int:
        """Dials in a row that led to no connection: where there are several edges, the next is tried."""
        return self._failures

    @property
    def connected(self) -> bool:
        """The socket is open."""
        return self._rpc is not None

    @property
    def features(self) -> Features:
        """What it has beyond charging."""
        if self._features is None:
            self._features = Features(self)
        return self._features

    @property
    def reservations(self) -> Reservations | None:
        """Its reservations; None where it never had any."""
        return None if self._features is None else self._features.reservations

    @property
    def schedules(self) -> Schedules | None:
        """Its charging profiles; None where it never had any."""
        return None if self._features is None else self._features.schedules

    def session_ended(self, connector: int) -> None:
        """Forget the charging profiles of a transaction that is over."""
        if self._features is not None:
            self._features.schedules.ended(connector)

    def find(self, number: int | None) -> Connector | None:
        """Return a connector by its number."""
        return next((connector for connector in self.connectors if connector.number == number), None)

    @property
    def idle(self) -> bool:
        """Nothing charges and nothing waits for an answer."""
        return not self._backlog and not any(c.session for c in self.connectors)

    def _dial(self) -> None:
        if not self._away and not self._dialling and self._rpc is None:
            self._dialling = True
            self._dials += 1
            self._dialler.dial(self)

    def opened(self, subprotocol: str) -> None:
        """Take the open socket; without the subprotocol nothing can be said on it (OCPP-J 1.6 §3.2)."""
        if subprotocol != OCPP16.subprotocol:
            if self._link is not None:
                self._link.close(1002, "no subprotocol")
            return
        self._dialling = False
        self._failures = 0
        self._connect()
        if self._away:
            self.drop()
        elif self.booted and not self.model.boots_on_reconnect:
            self.registration = RegistrationStatus.ACCEPTED
            self._accepted()
        else:
            self.boot()

    def refused(self, status: int, retry_after_s: float) -> None:
        """Try again later: the upgrade was refused (`status` 0: by no HTTP)."""
        self.world.counters.refused += 1
        self.unreachable(retry_after_s)

    def unreachable(self, retry_after_s: float = 0.0) -> None:
        """Try again later: nobody answered."""
        self._link, self._dialling = None, False
        self._failures += 1
        self._redial(retry_after_s)

    def closed(self, code: int, reason: str) -> None:
        """Forget the socket; dial again after a while, or when the outage is over."""
        self._failures += self._rpc is None
        self._dialling = False
        self.registration = None
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        self.world.counters.lost += 1
        self._disconnect()
        self._redial(0.0)

    def _redial(self, retry_after_s: float) -> None:
        random = random_for(self.world.seed, self.station_id, "dial", self._dials)
        ceiling = min(_BACK_OFF_S * 2 ** min(self._failures, 10), _BACK_OFF_MAX_S)
        self.world.wheel.after(retry_after_s + random.uniform(0.1, ceiling), self._dial)

    def go_offline(self, simulated_s: float) -> None:
        """Lose the network for a while: the socket dies without a word, what is to be reported waits."""
        self._away += 1
        self.world.after(simulated_s, self._back)
        self.drop()

    def _back(self) -> None:
        self._away -= 1
        self._dial()

    @property
    def identity(self) -> Identity | None:
        """What it proves itself by, where the CSMS gave it anything of its own."""
        return self._features.identity if self._features is not None and self._features.has_identity else None

    def drop(self) -> None:
        """Lose the TCP connection."""
        if self._link is not None:
            self._link.abort()

    def leave(self) -> None:
        """Close for good: the fleet ends. Cars stay; a fleet on the same ledger goes on with them."""
        self._away += 1
        if self._link is not None:
            self._link.close(1001, "")

    def reboot(self, reason: Reason, *, crash: bool = False) -> None:
        """Stop what runs, close, and come back with a boot (§5.14); a crash closes nothing."""
        for connector in self.connectors:
            connector.reboot(reason)
        self.booted, self.reported = False, None
        self._restart()
        self._away += 1
        if self._link is not None:
            self._link.abort() if crash else self._link.close(1000, "reboot")
        self.world.after(_REBOOT_S, self._back)

    def _restart(self) -> None:
        """Begin with what a boot brings: new firmware, and keys that go back."""
        prove_anew(self)
        come = self.behaviour.firmware
        if come is not None and self.firmware != come.version:
            self.firmware = come.version
            self.configuration.upgrade(come.keys)
        if self._features is not None:
            self.firmware = self._features.upkeep.take_version() or self.firmware
            self._features.booted(self.behaviour)
        if not self.behaviour.reverts_after_s:
            self.configuration.revert()

    def falls_over(self, request: Request[Any]) -> bool:
        """Crash on what it cannot bear (quirks 2, 3, 22)."""
        behaviour = self.behaviour
        early = behaviour.boots_early and self.registration != RegistrationStatus.ACCEPTED
        if not early and not answers.falls_over(behaviour.boots_on, request):
            return False
        self.reboot(Reason.REBOOT, crash=True)
        return True

    # --- registration and heartbeat

    def may_call(self) -> bool:
        """Accepted stations may say anything; others boot, and while pending say what was triggered (§4.2)."""
        head = self._calls[0][0]
        return self.registration is not None or isinstance(head, BootNotificationRequest)

    def may_report(self) -> bool:
        """Transaction messages wait for the registration (§4.2)."""
        return self.registration == RegistrationStatus.ACCEPTED

    def boot(self) -> None:
        """Send BootNotification ahead of everything else."""
        self.registration = None
        request = boot_request(self.station_id, self.model, self.behaviour, self.firmware)
        self.request_first(request, self._boot_answered)

    def _boot_answered(self, response: BootNotificationResponse | None) -> None:
        if self._rpc is None:
            return
        if response is None:
            self.world.wheel.after(_BOOT_AGAIN_S, self._boot_again)
            return
        self.registration = response.status
        if response.status != RegistrationStatus.ACCEPTED:
            self.world.wheel.after(response.interval or _BOOT_AGAIN_S, self._boot_again)
            return
        self.booted = True
        if response.interval > 0:
            self.configuration.set("HeartbeatInterval", str(response.interval))
        self._accepted()
        if self._features is not None:
            self._features.upkeep.booted()

    def _boot_again(self) -> None:
        if self._rpc is not None and self.registration != RegistrationStatus.ACCEPTED:
            self.boot()

    def _accepted(self) -> None:
        self.status_changed()
        self.schedule_heartbeat(first=True)
        self._pump()

    def schedule_heartbeat(self, *, first: bool = False) -> None:
        """Set the next heartbeat; the first is spread, so that a fleet does not beat as one."""
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        interval = self.behaviour.heartbeat_s or self.configuration.number("HeartbeatInterval")
        if interval <= 0:
            return
        spread = random_for(self.world.seed, self.station_id, "beat", self._dials).uniform(0.2, 1) if first else 1
        self._heartbeat = self.world.wheel.after(interval * spread, self._beat)

    def _beat(self) -> None:
        if self.online:
            self.request(HeartbeatRequest(), _ignore)
            self.schedule_heartbeat()

    # --- statuses

    @property
    def status(self) -> ChargePointStatus:
        """The status of connector 0: only these two and Faulted are allowed for it (§4.9)."""
        return ChargePointStatus.AVAILABLE if self.operative else ChargePointStatus.UNAVAILABLE

    def status_changed(self) -> None:
        """Report every status that the CSMS does not know yet; offline, only the last will count."""
        if not self.online:
            return
        news = tuple(connector for connector in self.connectors if connector.reported != connector.status)
        self.report_statuses(news, itself=self.reported != self.status)

    def report_statuses(self, connectors: Iterable[Connector], *, itself: bool) -> None:
        """Send StatusNotifications, for the station itself too where that is wanted."""
        if itself:
            self._report_status(self)
        for connector in connectors:
            self._report_status(connector)

    def _report_status(self, place: ChargePoint | Connector) -> None:
        place.reported = place.status

        def answered(response: Response | None) -> None:
            if response is None:
                place.reported = None

        number = place.number if isinstance(place, Connector) else 0
        notification = status_request(number, place.status, self.world.wall_ms())
        for _ in range(self.behaviour.status_repeats):
            self.request(notification, answered)

    def tell(self, notification: Request[Any]) -> None:
        """Send a CALL whose answer does not matter; unsaid where there is no connection."""
        if self.online:
            self.request(notification, _ignore)

    # --- what the messenger asks

    def handle(self, request: Request[Any]) -> tuple[Payload, Then]:
        """Answer a call of the CSMS."""
        return answers.answer(self, request)

    def start_answered(self, item: Item, response: StartTransactionResponse) -> None:
        """Tell the connector whether its car may go on."""
        for connector in self.connectors:
            if connector.session is not None and connector.session.charging is item.charging:
                connector.start_answered(response.id_tag_info.status)


def _ignore(_response: Response | None) -> None:
    """Need nothing of an answer."""
