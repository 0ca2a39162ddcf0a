"""The scripts of the load, and the record of what they claimed.

    transaction   StartTransaction, 5 MeterValues of 3 samples, StopTransaction; every 20th start is sent twice
    metervalues   one StartTransaction, then MeterValues of 3 samples for as long as it lasts, and a StopTransaction
    heartbeat     Heartbeat
    boot          BootNotification, once

The timestamp and the register of a station only rise, so that every start has a business key of its own.
"""

from __future__ import annotations

import time
from typing import Final

import msgspec

from ampstream.bench.caller import Call, Script, Tally, Wrong
from ampstream.simulate.ledger import START, STOP, Acked, Book, Meter, Sent, Start, Stop
from shared.ocpp.timestamps import format_time
from shared.ocpp.v16.messages import BootNotificationResponse, HeartbeatResponse, StartTransactionResponse

METERS: Final = 5
REPEAT_EVERY: Final = 20
ID_TAG: Final = "BENCHTAG"
_STEP_WH: Final = 137

_start_answer = msgspec.json.Decoder(StartTransactionResponse).decode
_boot_answer = msgspec.json.Decoder(BootNotificationResponse).decode
_beat_answer = msgspec.json.Decoder(HeartbeatResponse).decode


class Done:
    """One transaction as the load remembers it: enough to make a ledger of, little enough to keep many."""

    __slots__ = ("at", "meter_wh", "meters", "number", "station", "stop_at", "stop_wh")

    def __init__(self, station: str, at: int, meter_wh: int) -> None:
        self.station = station
        self.at = at
        self.meter_wh = meter_wh
        self.number = 0
        self.meters = 0
        self.stop_at = 0
        self.stop_wh = 0


class Claims:
    """All transactions that the load claims, and the ids that it was given."""

    def __init__(self) -> None:
        self.done: list[Done] = []
        self.numbers: set[int] = set()

    def book(self) -> Book:
        """Return the claims as a ledger."""
        book = Book()
        for n, one in enumerate(self.done):
            key = f"{one.station}/1/{n}"
            book.add(Start(key, one.station, 1, ID_TAG, one.at, one.meter_wh))
            book.add(Sent(key, START, ""))
            book.add(Acked(key, START, one.number, "Accepted"))
            for m in range(1, one.meters + 1):
                book.add(Meter(key, m, one.at + m, one.meter_wh + m * _STEP_WH))
                book.add(Sent(key, str(m), ""))
                book.add(Acked(key, str(m)))
            if one.stop_at:
                book.add(Stop(key, one.stop_at, one.stop_wh, "Local"))
                book.add(Sent(key, STOP, ""))
                book.add(Acked(key, STOP))
        return book


class Meterstand:
    """A station's register and clock: both only rise."""

    __slots__ = ("at", "station", "wh")

    def __init__(self, station: str) -> None:
        self.station = station
        self.wh = 1000
        self.at = 0

    def now(self) -> int:
        """Return the time in ms, later than any before."""
        self.at = max(time.time_ns() // 1_000_000, self.at + 1)
        return self.at


def transaction(stand: Meterstand, tally: Tally, claims: Claims) -> Script:
    """Charge over and over."""
    count = 0
    while tally.running:
        count += 1
        one, start = _start(stand)
        number = _number(tally, claims, (yield start))
        if count % REPEAT_EVERY == 0 and not tally.echo:
            again = _start_answer((yield start)).transaction_id
            if again != number:
                raise Wrong(f"a repeated start got id {again} after {number}")
        one.number = number
        claims.done.append(one)
        for _ in range(METERS):
            _empty(tally, (yield _meter(stand, one)))
            one.meters += 1
        stop = _stop(stand, one)
        yield stop
        one.stop_at, one.stop_wh = stand.at, stand.wh


def metervalues(stand: Meterstand, tally: Tally, claims: Claims) -> Script:
    """Report one long session."""
    one, start = _start(stand)
    one.number = _number(tally, claims, (yield start))
    claims.done.append(one)
    while tally.running:
        _empty(tally, (yield _meter(stand, one)))
        one.meters += 1
    yield _stop(stand, one)
    one.stop_at, one.stop_wh = stand.at, stand.wh


def heartbeat(_stand: Meterstand, tally: Tally, _claims: Claims) -> Script:
    """Beat."""
    beat = Call("Heartbeat", b"{}")
    while tally.running:
        answer = yield beat
        if not tally.echo:
            _beat_answer(answer)


def boot(stand: Meterstand, tally: Tally, _claims: Claims) -> Script:
    """Boot once; the registration must be accepted."""
    payload = f'{{"chargePointVendor":"Bench","chargePointModel":"Load","chargePointSerialNumber":"{stand.station}"}}'
    answer = yield Call("BootNotification", payload.encode())
    if not tally.echo and _boot_answer(answer).status != "Accepted":
        raise Wrong("the boot was not accepted")


MIXES: Final = {"transaction": transaction, "metervalues": metervalues, "heartbeat": heartbeat}


def _start(stand: Meterstand) -> tuple[Done, Call]:
    one = Done(stand.station, stand.now(), stand.wh)
    payload = f'{{"connectorId":1,"idTag":"{ID_TAG}","meterStart":{stand.wh},"timestamp":"{format_time(stand.at)}"}}'
    return one, Call("StartTransaction", payload.encode())


def _number(tally: Tally, claims: Claims, answer: msgspec.Raw) -> int:
    """Return the transaction id of an answer, which nobody else may have got."""
    if tally.echo:
        return 1
    response = _start_answer(answer)
    if response.id_tag_info.status != "Accepted":
        raise Wrong("the start was not accepted")
    if response.transaction_id in claims.numbers:
        raise Wrong("the transaction id was given before")
    claims.numbers.add(response.transaction_id)
    return response.transaction_id


def _empty(tally: Tally, answer: msgspec.Raw) -> None:
    if not tally.echo and bytes(answer) != b"{}":
        raise Wrong("the answer is not empty")


def _meter(stand: Meterstand, one: Done) -> Call:
    stand.wh += _STEP_WH
    payload = (
        f'{{"connectorId":1,"transactionId":{one.number},"meterValue":[{{"timestamp":"{format_time(stand.now())}",'
        f'"sampledValue":[{{"value":"{stand.wh}","context":"Sample.Periodic",'
        '"measurand":"Energy.Active.Import.Register","unit":"Wh"},'
        '{"value":"11040","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"},'
        '{"value":"16.0","context":"Sample.Periodic","measurand":"Current.Import","phase":"L1","unit":"A"}]}]}'
    )
    return Call("MeterValues", payload.encode())


def _stop(stand: Meterstand, one: Done) -> Call:
    stand.wh += _STEP_WH
    payload = (
        f'{{"transactionId":{one.number},"idTag":"{ID_TAG}","meterStop":{stand.wh},'
        f'"timestamp":"{format_time(stand.now())}","reason":"Local"}}'
    )
    return Call("StopTransaction", payload.encode())
