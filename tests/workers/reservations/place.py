"""A station in memory that takes reservations.

place = Place()
name = place.reserve(connector=2)         # for ANNA, accepted
place.begin(tag="ANNA", connector=2)
assert place.state(name) == "used"
"""

from __future__ import annotations

from typing import Any

import msgspec

from shared.bus import keys
from shared.policy import Policy
from shared.records.packing import unpack
from shared.records.requests import SendCommand
from shared.records.reservations import Reservation
from tests.workers.charging.site import Site


class Place(Site):
    """A station with two connectors that takes reservations."""

    def __init__(self) -> None:
        super().__init__(policy=Policy(unknown_stations="accept", unknown_tags="accept"), connectors=2)
        self.advance(2)
        self.made = 0

    def send(self, action: str, answer: Any = None, /, **payload: Any) -> str:
        """Send a command and let the station answer, unless `answer` is None; returns its id."""
        self.made += 1
        name, text = f"c{self.made}", msgspec.json.encode(payload).decode()
        asked = SendCommand(request_id=f"r{self.made}", command_id=name, action=action, payload=text)
        assert self.request(asked)[0] == 202
        if answer is not None:
            self.answer(name, {"status": answer})
        return name

    def reserve(
        self, number: int = 7, connector: int = 1, answer: str | None = "Accepted", seconds: float = 600, **more: str
    ) -> str:
        """Reserve for ANNA; returns the reservation's id."""
        expiry = self.time(self.now + round(seconds * 1000))
        payload = {"reservationId": number, "connectorId": connector, "idTag": "ANNA", "expiryDate": expiry} | more
        return self.send("ReserveNow", answer, **payload)

    def record(self, name: str) -> Reservation:
        """Return a reservation's record."""
        return unpack(self.memory.data[keys.reservation(self.station_id, name)], Reservation)

    def state(self, name: str) -> str:
        """Return a reservation's state; its record and its station's section agree on it."""
        record, section = self.record(name), self.view.reserved
        assert (name in section.live) == (record.state in ("pending", "active"))
        assert section.live.get(name, record) == record
        assert f"{self.station_id}/{name}" in self.memory.data[keys.RESERVATIONS]
        return record.state
