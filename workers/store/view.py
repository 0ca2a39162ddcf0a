"""A station's state as loaded, before a decision: sections are decoded when first looked at.

A worker keeps views (docs/adr/0007): what a view hands out is never changed in place, only replaced by a commit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from shared.records.certificates import Certificates
from shared.records.commands import Commands
from shared.records.configuration import Configured
from shared.records.credentials import Credentials
from shared.records.firmware import Updating
from shared.records.local_lists import LocalList
from shared.records.probes import Probing
from shared.records.profiles import Limits
from shared.records.reservations import Reservations
from shared.records.stations import Connectors, SessionRecord, StationRecord
from shared.records.transactions import Charging
from shared.records.tuning import Tuned

from .wants import Missing, Want

SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {
    "st": StationRecord,
    "se": SessionRecord,
    "co": Connectors,
    "ch": Charging,
    "cm": Commands,
    "cf": Configured,
    "tu": Tuned,
    "sc": Limits,
    "rs": Reservations,
    "fw": Updating,
    "ke": Credentials,
    "ce": Certificates,
    "ll": LocalList,
    "pr": Probing,
}
"""Field of the state hash -> type of the section."""
FIELDS: Final = ("v", *SECTIONS)
"""What the load pipeline asks for, the version token first."""


class StationView:
    """One station's state, and what else was loaded for the entry at hand.

    `token` is the version token that the commit checks; None where the station does not exist. A section is decoded
    when it is first looked at, and an ordinary attribute from then on: deciders look at some a dozen times a frame.
    """

    __slots__ = (
        "_raw", "certificates", "charging", "commands", "configured", "connectors", "credentials", "limits", "listed",
        "loaded", "probing", "reserved", "session", "station", "station_id", "token", "tuned", "updating",
    )  # fmt: skip

    station: StationRecord | None
    """What the station is; None where it is not known."""
    session: SessionRecord
    """Who holds its socket."""
    connectors: Connectors
    """Its connectors' last statuses."""
    charging: Charging
    """Its open transactions."""
    commands: Commands
    """Its queued and outstanding commands."""
    configured: Configured
    """Where the reading of its configuration stands."""
    tuned: Tuned
    """What was set on it, and what is under way."""
    limits: Limits
    """Its charging profiles."""
    reserved: Reservations
    """Its reservations."""
    updating: Updating
    """The update of its firmware that is under way."""
    credentials: Credentials
    """Where a change of its key stands."""
    certificates: Certificates
    """Its certificates."""
    probing: Probing
    """The probe that runs on it."""
    listed: LocalList
    """Its local authorization list."""

    def __init__(self, station_id: str, token: bytes | None, raw: dict[str, bytes | None]) -> None:
        self.station_id = station_id
        self.token = token
        self._raw = raw
        self.loaded: dict[Want, Any] = {}

    def __getattr__(self, name: str) -> Any:
        try:
            field, decode, empty = _LAZY[name]
        except KeyError:
            raise AttributeError(name) from None
        data = self._raw.get(field)
        value = empty if data is None else decode(data)
        setattr(self, name, value)
        return value

    def advance(self, token: bytes, changed: dict[str, Any]) -> None:
        """Become what a commit made of it: `changed` by field, None for a section that is gone."""
        self.token = token
        for field, section in changed.items():
            name, empty = _PLACES[field]
            setattr(self, name, empty if section is None else section)

    def get(self, want: Want) -> Any:
        """Return what was loaded for `want`; raises `Missing` where it was not."""
        try:
            return self.loaded[want]
        except KeyError:
            raise Missing(want) from None


_LAZY: Final[dict[str, tuple[str, Callable[[bytes], Any], Any]]] = {
    name: (field, msgspec.msgpack.Decoder(SECTIONS[field]).decode, empty)
    for name, field, empty in (
        ("station", "st", None),
        ("session", "se", SessionRecord()),
        ("connectors", "co", Connectors()),
        ("charging", "ch", Charging()),
        ("commands", "cm", Commands()),
        ("configured", "cf", Configured()),
        ("tuned", "tu", Tuned()),
        ("limits", "sc", Limits()),
        ("reserved", "rs", Reservations()),
        ("updating", "fw", Updating()),
        ("credentials", "ke", Credentials()),
        ("certificates", "ce", Certificates()),
        ("probing", "pr", Probing()),
        ("listed", "ll", LocalList()),
    )
}
"""Attribute -> field of the hash, decoder, and what stands for a field that is not there."""
_PLACES: Final[dict[str, tuple[str, Any]]] = {field: (name, empty) for name, (field, _, empty) in _LAZY.items()}
"""Field of the hash -> attribute, and what stands for a field that is not there."""
