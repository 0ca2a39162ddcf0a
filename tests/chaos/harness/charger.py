"""One station that a test plays step by step; like a real one it says again what was not answered.

Everything that is billed is noted in the ledger, and synced, before it goes out; every answer is noted when it came.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from ampstream.simulate.ledger import START, STOP, Acked, Book, Entry, FileLedger, Meter, Sent, Start, Stop, read
from ampstream.simulate.reports import meter_request, start_request, stop_request
from ampstream.simulate.station import Answer, CallFailed, CsmsCall, Refused, Station, StationError
from shared.ocpp.timestamps import format_time
from tests.chaos.harness.journal import Connected, Executed, Journal

ANSWER_S: Final = 30.0
"""A CALL that the system does not answer for so long, over all tries, fails the test."""
REDIAL_S: Final = 0.05
ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "GetConfiguration": {"configurationKey": [], "unknownKey": []},
    "GetLocalListVersion": {"listVersion": 1},
}
"""What commands are answered with; every other one: Accepted."""


def now_ms() -> int:
    """Return the station's own time."""
    return time.time_ns() // 1_000_000


class LedgerFile(FileLedger):
    """A ledger that can be read back from disk at any time, and knows the chargers that keep it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "chaos", now_ms())
        self._path = path
        self.journal = Journal(path.with_suffix(".commands"))
        self.chargers: list[Charger] = []

    def book(self) -> Book:
        """Return what is on disk."""
        self.flush()
        return read(self._path)

    async def end(self) -> None:
        """Drop every charger's connection, and close the file."""
        for charger in self.chargers:
            if charger.station.connected:
                await charger.vanish()
        self.close()
        self.journal.close()


class Socket(Station):
    """One of a station's sockets; `number` counts its connections from 1."""

    number = 0


class Said(msgspec.Struct, frozen=True):
    """A status that the station reported, in the order of its reports."""

    connector: int
    status: str


class Charger:
    """A scripted station on a ledger; `urls` are the edges, tried in turn."""

    def __init__(
        self, urls: Sequence[str], station_id: str, ledger: LedgerFile, *, password: bytes | None = None
    ) -> None:
        self.urls = list(urls)
        self.station_id = station_id
        self.ledger = ledger
        self._password = password
        self.station = self._socket(urls[0])
        self.edge = 0
        self.connects = 0
        self.statuses: list[Said] = []
        self.commands: list[CsmsCall] = []
        """The CSMS's calls, in the order in which they came, over whatever socket."""
        self.transaction_id = 0
        self._starts = 0
        self._meters = 0
        self._start: Start | None = None
        self._ids = 0
        ledger.chargers.append(self)

    # ── the connection ───────────────────────────────────────────────────────────────────────────────────────────

    async def connect(self, edge: int | None = None) -> None:
        """Dial until an edge takes this station: `edge`, or each in turn."""
        deadline = time.monotonic() + ANSWER_S
        while True:
            if edge is not None:
                self.edge = edge
            self.station.number = self.connects + 1
            try:
                await self.station.connect(self.urls[self.edge])
            except (Refused, OSError, TimeoutError, StationError):
                if time.monotonic() > deadline:
                    raise
                self.edge = (self.edge + 1) % len(self.urls)
                await asyncio.sleep(REDIAL_S)
            else:
                self.connects += 1
                self.ledger.journal.note(Connected(self.station_id, self.connects))
                return

    async def leave(self) -> None:
        """Close the socket as a station does that is switched off."""
        await self.station.close()

    async def vanish(self) -> None:
        """Lose the TCP connection without a word."""
        self.station.abort()
        await self.station.closed_with()

    async def connect_anew(self, edge: int) -> Socket:
        """Dial a second time and leave the first socket open, as a modem does; returns the socket of before."""
        before, self.station = self.station, self._socket(self.urls[edge])
        await self.connect(edge)
        return before

    def _socket(self, url: str) -> Socket:
        made = Socket(url, self.station_id, password=self._password, timeout_s=ANSWER_S)
        made.on_call = partial(self._on_call, made)
        return made

    def _on_call(self, socket: Socket, call: CsmsCall) -> dict[str, Any]:
        """Execute a command, whichever socket it comes on: a station that has two knows no better."""
        self.commands.append(call)
        self.ledger.journal.note(Executed(self.station_id, socket.number, call.message_id, call.action))
        return ANSWERS.get(call.action, {"status": "Accepted"})

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def call(
        self, action: str, payload: dict[str, Any] | msgspec.Struct, key: str = "", what: str = ""
    ) -> Answer:
        """Say something until it is answered, over as many connections as that takes, each time with a new id."""
        deadline = time.monotonic() + ANSWER_S
        while True:
            if not self.station.connected:
                await self.connect()
            message_id = self.new_id()
            if key:
                await self.note(Sent(key, what, message_id))
            try:
                answer = await self.station.call(action, payload, message_id, deadline - time.monotonic())
            except CallFailed:
                raise
            except StationError:  # The connection is gone, now or while the ledger was written.
                continue
            return answer

    def new_id(self) -> str:
        """Return a message id that was never used."""
        self._ids += 1
        return f"{self.station_id}-{self._ids}"

    async def note(self, *entries: Entry) -> None:
        """Write entries into the ledger and wait until they are on disk."""
        for entry in entries:
            self.ledger.note(entry)
        safe = asyncio.Event()
        self.ledger.then(safe.set)
        await safe.wait()

    async def boot(self) -> None:
        """Report for duty, and that the connector is free."""
        answer = await self.call("BootNotification", {"chargePointVendor": "Chaos", "chargePointModel": "C1"})
        assert answer["status"] == "Accepted", answer
        await self.status("Available")

    async def status(self, status: str, connector: int = 1) -> None:
        """Report a status."""
        self.statuses.append(Said(connector, status))
        await self.call(
            "StatusNotification",
            {"connectorId": connector, "errorCode": "NoError", "status": status, "timestamp": format_time(now_ms())},
        )

    # ── a transaction ────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def key(self) -> str:
        """The ledger's name of the transaction that runs, or ran last."""
        assert self._start is not None, "nothing was started yet"
        return self._start.key

    @property
    def started(self) -> Start:
        """The last start."""
        assert self._start is not None, "nothing was started yet"
        return self._start

    async def plug_in(self, meter_wh: int = 1000, connector: int = 1, id_tag: str = "TAG1") -> Start:
        """Note a start without reporting it."""
        self._starts += 1
        self._meters = 0
        key = f"{self.station_id}/{connector}/{self._starts}"
        self._start = Start(key, self.station_id, connector, id_tag, now_ms(), meter_wh)
        await self.note(self._start)
        return self._start

    async def report_start(self) -> int:
        """Report the start until it is answered; returns the transaction id."""
        answer = await self.call("StartTransaction", start_request(self.started), self.key, START)
        return self.took(answer)

    def took(self, answer: Answer) -> int:
        """Note the answer to a start."""
        number = int(answer["transactionId"])
        self.ledger.note(Acked(self.key, START, number, answer["idTagInfo"]["status"]))
        self.transaction_id = number
        return number

    async def start(self, meter_wh: int = 1000, connector: int = 1, id_tag: str = "TAG1") -> int:
        """Start a transaction; returns its id."""
        await self.plug_in(meter_wh, connector, id_tag)
        return await self.report_start()

    async def meter(self, meter_wh: int) -> None:
        """Report a meter value of the transaction."""
        self._meters += 1
        meter = Meter(self.key, self._meters, now_ms(), meter_wh)
        await self.note(meter)
        request = msgspec.structs.replace(
            meter_request(meter, self.started.connector), transaction_id=self.transaction_id
        )
        await self.call("MeterValues", request, self.key, str(meter.n))
        self.ledger.note(Acked(self.key, str(meter.n)))

    async def stop(self, meter_wh: int, reason: str = "EVDisconnected") -> None:
        """Stop the transaction."""
        stop = Stop(self.key, now_ms(), meter_wh, reason)
        await self.note(stop)
        await self.report_stop(stop)

    async def report_stop(self, stop: Stop) -> None:
        """Report a stop that the ledger has, until it is answered."""
        request = msgspec.structs.replace(stop_request(stop, self.started.id_tag), transaction_id=self.transaction_id)
        await self.call("StopTransaction", request, self.key, STOP)
        self.ledger.note(Acked(self.key, STOP))

    async def charge(self, meters: int = 3, step_wh: int = 250) -> None:
        """Charge a car from the start to the stop; every session begins where the last one ended."""
        begin = 1000 + self._starts * 10_000
        await self.status("Preparing")
        await self.start(begin)
        await self.status("Charging")
        await self.go_on(begin, meters, step_wh)

    async def go_on(self, begin: int, meters: int = 3, step_wh: int = 250) -> None:
        """Charge on from a start at `begin` Wh to the stop."""
        for n in range(1, meters + 1):
            await self.meter(begin + n * step_wh)
        await self.stop(begin + (meters + 1) * step_wh)
        await self.status("Finishing")
        await self.status("Available")
