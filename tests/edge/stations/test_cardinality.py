"""Series of an edge do not grow with its stations, whatever those call themselves and whatever they say."""

from __future__ import annotations

import asyncio
import re

import msgspec
import pytest

from edge.stations.door import Welcome
from edge.stations.session import Session
from shared import metrics, series
from shared.envelopes import Answer, Command
from shared.ocpp import frames
from shared.ocpp.actions import actions_of
from shared.ocpp.versions import OCPP16
from tests.edge.stations.rig import Rig, running_edge

MANY = 10_000
FEW = 10


class Nowhere(asyncio.Transport):
    """A transport whose bytes go nowhere."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Drop them."""

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """There is nothing to close."""

    def abort(self) -> None:
        """There is nothing to abort."""

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""


def shown() -> set[str]:
    """The series of an exposition, without their values."""
    return {line.rpartition(" ")[0] for line in metrics.REGISTRY.render().splitlines() if not line.startswith("#")}


def hostile(number: int) -> list[bytes]:
    """What a station says that means to make series: actions, ids, answers and nonsense that nobody else has."""
    evil = f'CP{number}"}} 1\\nampstream_evil{{x="{number}'
    return [
        msgspec.json.encode([2, f"a{number}", f"Evil{number}", {"idTag": f"TAG{number}"}]),
        msgspec.json.encode([2, evil, "Heartbeat", {}]),
        msgspec.json.encode([2, f"b{number}", evil[:40], {"chargePointVendor": evil}]),
        msgspec.json.encode([3, f"never-asked-{number}", {"status": evil}]),
        msgspec.json.encode([4, f"never-asked-{number}", f"Code{number}", evil, {}]),
        msgspec.json.encode([9 + number, evil]),
        f"no frame {number}".encode(),
        f'{{"station": "{number}"}}'.encode(),
    ]


def life(rig: Rig, number: int) -> None:
    """A station's whole life at the edge: it comes, says all that, is answered and commanded, and goes."""
    hub, station = rig.hub, f'evil {number} "\n{{}}'
    session = Session(hub, Nowhere(), station, number + 1, OCPP16, number % 4)
    hub.join(session, (f"note{number}",), Welcome(0, 0, True, ""))
    for text in hostile(number):
        session.on_text(text, binary=number % 2 == 0)
        while (call := session.rpc.in_flight) is not None:
            answer = frames.encode_error(call.message_id, f"Code{number}") if number % 2 else b'[3,"x",{}]'
            hub.answer(Answer(station, session.epoch, call.seq, answer))
    frame = frames.encode_call(f"c{number}", f"Action{number}", {})
    hub.command(Command(station, session.epoch, f"c{number}", frame, 2**60))
    session.on_text(msgspec.json.encode([3, f"c{number}", {}]), binary=False)
    hub.answer(Answer(station, session.epoch, 10_000, b'[3,"late",{}]'))
    session.close(1008, f"reason {number}", "operator" if number % 2 else "protocol_error")
    session.on_lost(None)


@pytest.mark.slow
async def test_ten_thousand_stations_have_the_series_of_ten(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten stations an edge has every series that it will ever have, and none with a word of theirs."""
    monkeypatch.setattr(series, "STRICT", False)
    metrics.register_actions(actions_of(OCPP16).from_station, actions_of(OCPP16).from_csms)
    async with running_edge(redis_url) as rig:
        monkeypatch.setattr(rig.hub, "append", lambda *_: None)
        for number in range(FEW):
            life(rig, number)
        few = shown()
        for number in range(FEW, MANY):
            life(rig, number)
            if number % 500 == 0:
                await asyncio.sleep(0)
        assert shown() == few
        assert metrics.EDGE_FRAMES.labels("in", "call", "other").value >= MANY
        assert not [line for line in few if re.search(r"evil|Evil|TAG|Code\d|note\d|CP\d", line)]


async def test_unheard_values_alone_make_no_series(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with a label that stations may choose the same stations would make a series each."""
    registry = series.Registry()
    monkeypatch.setattr(series, "STRICT", False)
    open_label = registry.counter("c_total", "c", {"action": series.OPEN})
    for number in range(FEW):
        open_label.labels(f"Evil{number}").inc()
    assert registry.render().count("Evil") == FEW
