"""What a station has beyond charging: reservations, list, profiles, upkeep, certificates; each made when first used."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ampstream.simulate.behaviours import Behaviour
from ampstream.simulate.certificates import CertificateStore
from ampstream.simulate.identity import Identity
from ampstream.simulate.locallist import LocalList
from ampstream.simulate.reservations import Reservations
from ampstream.simulate.schedules import Schedules
from ampstream.simulate.upkeep import Upkeep

if TYPE_CHECKING:
    from ampstream.simulate.chargepoint import ChargePoint


class Features:
    """One station's; most stations of a large fleet never make one."""

    def __init__(self, cp: ChargePoint) -> None:
        self._cp = cp

    def booted(self, behaviour: Behaviour) -> None:
        """Lose what stations of its kind lose with a boot."""
        if behaviour.forgets_reservations:
            self.reservations.forget()
        if behaviour.forgets_list:
            self.local_list.forget()
        if behaviour.forgets_profiles:
            self.schedules.forget()

    @cached_property
    def reservations(self) -> Reservations:
        """Its reservations."""
        return Reservations(self._cp)

    @cached_property
    def local_list(self) -> LocalList:
        """Its local authorization list."""
        return LocalList(self._cp.configuration, self._cp.behaviour.list_at_once)

    @cached_property
    def schedules(self) -> Schedules:
        """Its charging profiles."""
        return Schedules(self._cp)

    @cached_property
    def upkeep(self) -> Upkeep:
        """Its firmware, diagnostics and logs."""
        return Upkeep(self._cp)

    @property
    def has_identity(self) -> bool:
        """It has something to prove itself by that is its own."""
        return "identity" in self.__dict__

    @cached_property
    def identity(self) -> Identity:
        """What it proves itself by, where that is other than the fleet's."""
        return Identity(self._cp.station_id, self._cp.configuration.text("CpoName"))

    @cached_property
    def certificates(self) -> CertificateStore:
        """Its certificates."""
        return CertificateStore(self._cp.configuration.number("CertificateStoreMaxLength"))
