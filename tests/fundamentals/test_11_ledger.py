"""11. How it is proved.

The simulated stations keep a ledger of their own, on disk before anything is sent. The auditor compares it with what
the system stored and names every broken promise. Crash tests (`tests/chaos`) kill processes and ask the auditor; and
they take each guard out once, to see that it notices.
"""

from __future__ import annotations

import msgspec

from ampstream.simulate.audit import Snapshot, Stored, audit
from ampstream.simulate.ledger import START, STOP, Acked, Book, Sent, Start, Stop

BOOK = Book(
    [
        Start("CP1/1/1", "CP1", 1, "TAG1", at=1_000, meter_wh=100),
        Sent("CP1/1/1", START, "a"),
        Acked("CP1/1/1", START, transaction_id=7, status="Accepted"),
        Stop("CP1/1/1", at=9_000, meter_wh=600, reason="Local"),
        Sent("CP1/1/1", STOP, "b"),
        Acked("CP1/1/1", STOP),
    ]
)
STORED = Stored(
    id=7,
    station_id="CP1",
    connector_id=1,
    id_tag="TAG1",
    state="closed",
    started_at=1_000,
    stopped_at=9_000,
    meter_start_wh=100,
    meter_stop_wh=600,
    energy_wh=500,
    stop_reason="Local",
)


def _broken(*stored: Stored) -> set[str]:
    return {str(violation.invariant) for violation in audit(BOOK, Snapshot(transactions=stored))}


def test_station_and_system_agree() -> None:
    """What the station knows is what is stored: nothing to say."""
    assert _broken(STORED) == set()


def test_every_broken_promise_has_a_name() -> None:
    """I1 lost, I2 counted twice, I3 wrong energy, I5 two answers to one question, I6 made up."""
    assert "I1" in _broken()
    assert "I2" in _broken(STORED, msgspec.structs.replace(STORED, id=8))
    assert "I3" in _broken(msgspec.structs.replace(STORED, meter_stop_wh=601, energy_wh=501))
    assert "I5" in _broken(msgspec.structs.replace(STORED, id=9))
    assert "I6" in _broken(STORED, msgspec.structs.replace(STORED, id=10, station_id="CP2"))
