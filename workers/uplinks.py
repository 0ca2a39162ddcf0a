"""What the workers themselves put on stations' uplinks: whoever wants a station changed asks its own commit."""

from __future__ import annotations

from shared import envelopes
from shared.bus import keys
from shared.bus.lane import Command
from shared.envelopes import Kind, Uplink
from shared.records.requests import Request


def uplink_of(station_id: str, partitions: int) -> str:
    """Name the uplink stream of a station."""
    return keys.uplink(keys.partition_of(station_id, partitions))


def asking(station_id: str, request: Request) -> Uplink:
    """Return the entry that asks a station's commit for something; nobody waits for the reply."""
    return Uplink(envelopes.VERSION, Kind.REQUEST, station_id, "", 0, 0, envelopes.encode(request))


def append(entry: Uplink, partitions: int) -> Command:
    """Return the command that puts an entry on its station's uplink."""
    return ("XADD", uplink_of(entry.station, partitions), "*", envelopes.FIELD, envelopes.encode(entry))
