"""The reservations that a station holds (OCPP 1.6 §5.13, §5.1): who may charge where, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ampstream.simulate.wheel import Timer
from shared.ocpp.timestamps import read_time
from shared.ocpp.v16.enums import ChargePointStatus, ReservationStatus
from shared.ocpp.v16.messages import ReserveNowRequest

if TYPE_CHECKING:
    from ampstream.simulate.chargepoint import ChargePoint
    from ampstream.simulate.session import Connector


class Reservation(msgspec.Struct, kw_only=True):
    """One reservation; connector 0 is any of the station's."""

    id: int
    connector: int
    id_tag: str
    parent: str
    timer: Timer

    def admits(self, id_tag: str, parent: str) -> bool:
        """Tell whether a tag, or the group that it belongs to, is who it is for."""
        return id_tag == self.id_tag or (bool(parent) and parent == self.parent)


class Reservations:
    """All reservations of one station."""

    __slots__ = ("_cp", "_held")

    def __init__(self, cp: ChargePoint) -> None:
        self._cp = cp
        self._held: dict[int, Reservation] = {}

    def of(self, connector: int) -> Reservation | None:
        """Return the reservation of a connector."""
        return next((one for one in self._held.values() if one.connector == connector), None)

    def reserve(self, request: ReserveNowRequest) -> ReservationStatus:
        """Do what ReserveNow asks; one with the same id is replaced."""
        world = self._cp.world
        expires_ms = read_time(request.expiry_date, world.wall_ms()).ms
        status = self._obstacle(request.connector_id, request.reservation_id)
        if status is None and (expires_ms is None or expires_ms <= world.wall_ms()):
            status = ReservationStatus.REJECTED
        if status is not None or expires_ms is None:
            return status or ReservationStatus.REJECTED
        self.end(request.reservation_id)
        # The CSMS's times are real ones, whatever the fleet's speed is.
        timer = world.wheel.after((expires_ms - world.wall_ms()) / 1000, lambda: self._expire(request.reservation_id))
        self._held[request.reservation_id] = Reservation(
            id=request.reservation_id,
            connector=request.connector_id,
            id_tag=request.id_tag,
            parent=request.parent_id_tag or "",
            timer=timer,
        )
        self._show(request.connector_id)
        return ReservationStatus.ACCEPTED

    def _obstacle(self, number: int, reservation_id: int) -> ReservationStatus | None:
        """Return why it cannot be reserved, by the standard's list (§5.13)."""
        if number == 0:
            return self._obstacle_of_any(reservation_id)
        connector = next((one for one in self._cp.connectors if one.number == number), None)
        if connector is None:
            return ReservationStatus.REJECTED
        if connector.status == ChargePointStatus.FAULTED:
            return ReservationStatus.FAULTED
        if not connector.operative:
            return ReservationStatus.UNAVAILABLE
        held = self.of(number)
        if held is not None:
            return None if held.id == reservation_id else ReservationStatus.OCCUPIED
        return None if connector.status == ChargePointStatus.AVAILABLE else ReservationStatus.OCCUPIED

    def _obstacle_of_any(self, reservation_id: int) -> ReservationStatus | None:
        if not self._cp.configuration.switch("ReserveConnectorZeroSupported"):
            return ReservationStatus.REJECTED
        if not self._cp.operative:
            return ReservationStatus.UNAVAILABLE
        others = [one for one in self._held.values() if one.connector == 0 and one.id != reservation_id]
        return None if len(self._free()) > len(others) else ReservationStatus.OCCUPIED

    def _free(self) -> list[Connector]:
        return [one for one in self._cp.connectors if one.status == ChargePointStatus.AVAILABLE and one.operative]

    def end(self, reservation_id: int) -> bool:
        """Forget a reservation: cancelled, expired, used or impossible; False where there is none."""
        held = self._held.pop(reservation_id, None)
        if held is None:
            return False
        held.timer.cancel()
        self._show(held.connector)
        return True

    def _expire(self, reservation_id: int) -> None:
        self.end(reservation_id)

    def end_on(self, connector: int) -> None:
        """Forget the reservation of a connector that goes out of service (§5.13)."""
        held = self.of(connector)
        if held is not None:
            self.end(held.id)

    def forget(self) -> None:
        """End all of them, as a station that boots without a memory."""
        for reservation_id in tuple(self._held):
            self.end(reservation_id)

    def _show(self, number: int) -> None:
        for connector in self._cp.connectors:
            if connector.number == number:
                connector.rest()

    # --- who may charge

    def admits(self, connector: int, id_tag: str, parent: str = "") -> bool:
        """Tell whether a tag may charge on a connector."""
        if not self._held or self._cp.behaviour.ignores_reservations:
            return True
        held = self.of(connector)
        if held is not None:
            return held.admits(id_tag, parent)
        anywhere = [one for one in self._held.values() if one.connector == 0]
        if any(one.admits(id_tag, parent) for one in anywhere):
            return True
        # One connector remains for each of them.
        return len([one for one in self._free() if one.number != connector]) >= len(anywhere)

    def take(self, connector: int, id_tag: str, parent: str = "") -> int | None:
        """Use up the reservation that a session begins under; return its id."""
        if self._cp.behaviour.ignores_reservations:
            return None
        for one in sorted(self._held.values(), key=lambda one: one.connector == 0):
            if one.connector in (connector, 0) and one.admits(id_tag, parent):
                self._held.pop(one.id).timer.cancel()
                return one.id
        return None
