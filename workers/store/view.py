"""A station's state as loaded, before a decision: sections are decoded when first looked at."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from shared.records.commands import Commands
from shared.records.packing import unpack
from shared.records.stations import Connectors, SessionRecord, StationRecord
from shared.records.transactions import Charging

from .wants import Missing, Want

Section = StationRecord | SessionRecord | Connectors | Charging | Commands
S = TypeVar("S", bound=msgspec.Struct)

SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {
    "st": StationRecord,
    "se": SessionRecord,
    "co": Connectors,
    "ch": Charging,
    "cm": Commands,
}
"""Field of the state hash -> type of the section."""
FIELDS: Final = ("v", *SECTIONS)
"""What the load pipeline asks for, the version token first."""

_EMPTY_SESSION: Final = SessionRecord()
_EMPTY_CONNECTORS: Final = Connectors()
_EMPTY_CHARGING: Final = Charging()
_EMPTY_COMMANDS: Final = Commands()


class StationView:
    """One station's state, and what else was loaded for the entry at hand.

    `token` is the version token that the commit checks; None where the station does not exist.
    """

    __slots__ = ("_decoded", "_raw", "loaded", "station_id", "token")

    def __init__(self, station_id: str, token: bytes | None, raw: dict[str, bytes | None]) -> None:
        self.station_id = station_id
        self.token = token
        self._raw = raw
        self._decoded: dict[str, Any] = {}
        self.loaded: dict[Want, Any] = {}

    def _section(self, field: str, kind: type[S], empty: S | None) -> S | None:
        if field in self._decoded:
            found: S | None = self._decoded[field]
            return found
        data = self._raw.get(field)
        value = unpack(data, kind) if data is not None else empty
        self._decoded[field] = value
        return value

    @property
    def station(self) -> StationRecord | None:
        """What the station is; None where it is not known."""
        return self._section("st", StationRecord, None)

    @property
    def session(self) -> SessionRecord:
        """Who holds its socket."""
        return self._section("se", SessionRecord, _EMPTY_SESSION) or _EMPTY_SESSION

    @property
    def connectors(self) -> Connectors:
        """Its connectors' last statuses."""
        return self._section("co", Connectors, _EMPTY_CONNECTORS) or _EMPTY_CONNECTORS

    @property
    def charging(self) -> Charging:
        """Its open transactions."""
        return self._section("ch", Charging, _EMPTY_CHARGING) or _EMPTY_CHARGING

    @property
    def commands(self) -> Commands:
        """Its queued and outstanding commands."""
        return self._section("cm", Commands, _EMPTY_COMMANDS) or _EMPTY_COMMANDS

    def get(self, want: Want) -> Any:
        """Return what was loaded for `want`; raises `Missing` where it was not."""
        try:
            return self.loaded[want]
        except KeyError:
            raise Missing(want) from None
