"""2. How it travels.

The edge wraps each frame into a small envelope and appends it to a Redis stream, the *uplink*. A station's frames all
go to one of a fixed number of streams, so that they stay in order. What the station is answered comes back over the
*downlink* of the edge that holds its socket.
"""

from __future__ import annotations

from shared import envelopes
from shared.bus import keys
from shared.envelopes import Answer, Kind, Uplink


def test_an_uplink_entry_says_whose_and_where() -> None:
    """Station, node, epoch and the number of the CALL name an entry for ever: message ids repeat, these do not."""
    sent = Uplink(envelopes.VERSION, Kind.CALL, "CP1", "edge-a", epoch=1_700_000_000_000, call_seq=4, frame=b"[2,...]")
    assert envelopes.decode_uplink(envelopes.encode(sent)) == sent


def test_a_newer_writer_is_understood() -> None:
    """Envelopes grow only at their end: a reader passes over what it does not know yet."""
    grown = envelopes.encode([1, int(Kind.CALL), "CP1", "edge-a", 7, 4, b"[2,...]", "", "a field of the future"])
    assert envelopes.decode_uplink(grown).call_seq == 4


def test_a_station_has_one_stream() -> None:
    """The partition follows from the station's id alone: the same in every process and every release."""
    assert keys.partition_of("CP1", 4) == keys.partition_of("CP1", 4)
    assert {keys.partition_of(f"CP{n}", 4) for n in range(100)} == {0, 1, 2, 3}
    assert keys.uplink(3) == "uplink:{3}"


def test_a_downlink_entry_holds_many_items() -> None:
    """Workers answer a whole batch with one entry per edge."""
    items = [Answer(f"CP{n}", 7, 1, b'[3,"1",{}]') for n in range(3)]
    assert envelopes.decode_downlink(envelopes.encode(items)) == items
