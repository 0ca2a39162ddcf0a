"""Series of a worker do not grow with the stations that it serves, whatever those report."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
import pytest

from shared import metrics, series
from shared.envelopes import Kind
from shared.ocpp.actions import actions_of
from shared.ocpp.versions import OCPP16
from tests.workers.harness import World
from workers.consumer import counting
from workers.consumer.batch import Done
from workers.store.commit import Outcome, Result

MANY = 10_000
FEW = 10
"""Stations that say all of it, at once and each alone; of the others each says a part."""


def shown() -> set[str]:
    """The series of an exposition, without their values."""
    return {line.rpartition(" ")[0] for line in metrics.REGISTRY.render().splitlines() if not line.startswith("#")}


def says(number: int) -> list[bytes]:
    """Frames that mean to make series: words of this station alone wherever a string may stand."""
    evil, at = f'E{number}"}} 1\nampstream_evil{{x="', "2023-11-14T22:13:20Z"
    calls = [
        ("BootNotification", {"chargePointVendor": evil[:20], "chargePointModel": f"M{number}", "iccid": f"I{number}"}),
        ("StatusNotification", {"connectorId": number % 9, "errorCode": f"Error{number}", "status": "Available"}),
        ("StatusNotification", {"connectorId": 1, "errorCode": "OtherError", "status": f"Status{number}"}),
        ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging", "vendorId": evil}),
        ("StartTransaction", {"connectorId": 1, "idTag": f"T{number}", "meterStart": number, "timestamp": at}),
        ("StopTransaction", {"transactionId": 1001, "meterStop": number, "timestamp": at, "reason": f"R{number}"}),
        ("FirmwareStatusNotification", {"status": f"Firmware{number}"}),
        ("SecurityEventNotification", {"type": f"Event{number}", "timestamp": at}),
        ("MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": at, "sampledValue": [{"value": evil}]}]}),
        ("Authorize", {"idTag": f"T{number}", f"unknown{number}": evil}),
        (f"Evil{number}", {}),
        ("DataTransfer", {"vendorId": evil, "messageId": f"Id{number}", "data": evil}),
    ]
    return [msgspec.json.encode([2, f"{evil}{place}", *call]) for place, call in enumerate(calls)]


def serve(number: int, texts: Sequence[bytes], *, whole: bool) -> None:
    """Decide what a station says with the real dispatch, and count it as the consumer does."""
    world = World(f'evil {number} "\n')
    world.open(notes=(f"note{number}",))
    for text in texts:
        world.call_seq += 1
        count(world, world.entry(Kind.CALL, text, call_seq=world.call_seq))
    if whole:
        count(world, world.entry(Kind.UNREADABLE, f"no frame {number}".encode(), note=f"reason{number}: text"))
        count(world, world.entry(Kind.NOTED, note=f"flag{number}"))
        count(world, world.entry(Kind.ANSWER, msgspec.json.encode([4, f"c{number}", f"Code{number}", "", {}])))


def count(world: World, entry: object) -> None:
    """Decide and count one entry."""
    draft = world.feed(entry)
    counting.count(Done(entry, draft, Outcome(Result.COMMITTED, None)), world.now)  # type: ignore[arg-type]


@pytest.mark.slow
def test_ten_thousand_stations_have_the_series_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten stations a worker has every series that it will ever have, and none with a word of theirs."""
    monkeypatch.setattr(series, "STRICT", False)
    metrics.register_actions(actions_of(OCPP16).from_station, actions_of(OCPP16).from_csms)
    for number in range(FEW):
        texts = says(number)
        serve(number, texts, whole=True)
        for text in texts:
            serve(number, [text], whole=False)
    few = shown()
    for number in range(FEW, MANY):
        serve(number, [says(number)[number % 12]], whole=number % 10 == 0)
    assert shown() == few
    assert (
        metrics.WORKER_MESSAGES.labels("other", "quarantined").value
        + metrics.QUARANTINE_ADDED.labels("unknown_action").value
        >= MANY / 12
    )
    assert not [line for line in few if re.search(r"evil|Evil|Error\d|Status\d|Firmware\d|Event\d|[IMRT]\d", line)]
    assert len(counting._children) <= counting.MAX_CHILDREN
