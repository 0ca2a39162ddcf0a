"""Transaction messages as frames: what is prefetched, what nobody understands, and a replay from quarantine."""

from __future__ import annotations

import msgspec
import pytest

from shared.bus import keys
from shared.envelopes import Kind
from shared.records.requests import ReplayQuarantined
from shared.records.tags import IdTag
from shared.records.transactions import Transaction
from workers.store.wants import WantSite, WantTag, WantTransactionId

from .site import Site

BAD_START = {"connectorId": 1, "idTag": "T", "meterStart": {"register": 5}, "timestamp": "2023-11-14T22:00:00Z"}


def only(site: Site) -> Transaction:
    """Return the station's one transaction."""
    (found,) = site.transactions
    return found


def prefetched(site: Site, action: str, fields: dict[str, object]) -> list[object]:
    """Return what a frame's decision asked for in advance."""
    frame = msgspec.json.encode([2, "m", action, fields])
    return list(site.entry(Kind.CALL, frame, call_seq=99).wants())


def test_a_start_is_decided_in_one_round_for_an_unknown_tag() -> None:
    """What a start looks at is asked for in advance: tag, business key, and an id."""
    site = Site()
    fields = {"connectorId": 1, "idTag": "Ab", "meterStart": 0, "timestamp": site.time()}
    wants = prefetched(site, "StartTransaction", fields)
    assert WantTag("ab") in wants
    assert WantTransactionId() in wants
    assert len(wants) == 4


@pytest.mark.parametrize(
    ("action", "fields", "wants"),
    [
        ("Authorize", {"idTag": "Ab"}, [WantTag("ab"), WantSite()]),
        (
            "StopTransaction",
            {"transactionId": 1, "meterStop": 1, "timestamp": "", "idTag": "Ab"},
            [WantTag("ab"), WantSite()],
        ),
        ("StopTransaction", {"transactionId": 1, "meterStop": 1, "timestamp": "2023-11-14T22:00:00Z"}, []),
    ],
)
def test_tags_are_prefetched(action: str, fields: dict[str, object], wants: list[object]) -> None:
    """Where a message names a tag, its record is asked for in advance."""
    assert prefetched(Site(), action, fields) == wants


@pytest.mark.parametrize("payload", [b"null", b'{"connectorId":1', b"{}", b"[]", b'{"a":' * 100], ids=str)
@pytest.mark.parametrize(
    ("action", "empty"), [("StartTransaction", False), ("StopTransaction", True), ("MeterValues", True)]
)
def test_a_transaction_message_is_never_refused(action: str, empty: bool, payload: bytes) -> None:
    """Whatever its payload, the answer is a CALLRESULT: a station throws messages away that are refused."""
    site = Site()
    answer = site.send_text(b'[2,"m","%s",%s]' % (action.encode(), payload))
    assert answer[:2] == [3, "m"]
    if empty:
        assert answer[2] == {}
    else:
        assert answer[2]["idTagInfo"]["status"] == "Invalid"
        assert answer[2]["transactionId"] == only(site).transaction_id


def test_an_unreadable_start_on_the_only_connector_is_there() -> None:
    """A station with one connector has its unreadable start there, even where the number is lost."""
    site = Site(connectors=1)
    site.send_text(b'[2,"m","StartTransaction",{"connectorId":')
    assert only(site).connector_id == 1


def test_two_unreadable_starts_are_two_transactions() -> None:
    """What differs in its text is another start; the same text is a repetition."""
    site = Site()
    numbers = {site.sent("StartTransaction", {**BAD_START, "idTag": tag})["transactionId"] for tag in ("A", "B", "A")}
    assert len(numbers) == len(site.transactions) == 2


def mend(site: Site) -> str:
    """Make the frame in quarantine one that is understood (as a newer release would); returns its id."""
    kept = site.memory.data[keys.quarantine(site.station_id)]
    (name,) = kept
    kept[name] = kept[name].replace(b'{"register":5}', b"5000          ")
    return str(name)


def test_a_replayed_start_completes_its_own_record() -> None:
    """A quarantined start that is understood later fills the record that was made for it, and keeps its id."""
    site = Site()
    number = site.sent("StartTransaction", BAD_START)["transactionId"]
    site.advance(60)
    site.stop(9000, transaction=number)
    assert site.transaction(number).energy_wh == 0
    assert site.request(ReplayQuarantined(request_id="r", quarantine_id=mend(site)))[0] == 200
    found = only(site)
    assert (found.transaction_id, found.meter_start_wh, found.energy_wh) == (number, 5000, 4000)
    assert (found.state, found.authorization, found.flags) == ("closed", "Invalid", ("unreadable_start",))


def test_a_replayed_start_of_an_open_transaction_completes_it() -> None:
    """The same while the transaction is open: its end then counts from the right meter start."""
    site = Site()
    number = site.sent("StartTransaction", BAD_START)["transactionId"]
    assert site.request(ReplayQuarantined(request_id="r", quarantine_id=mend(site)))[0] == 200
    assert site.opened[number].meter_start_wh == 5000
    site.stop(9000, transaction=number)
    assert (only(site).energy_wh, only(site).flags) == (4000, ("unreadable_start", "charged_refused"))


def test_times_without_a_zone_are_the_stations() -> None:
    """A time without a zone is read in the station's zone, and is the same in a repetition (quirk 4)."""
    site = Site()
    record = site.view.station
    assert record is not None
    site.run(lambda draft: draft.put(msgspec.structs.replace(record, time_zone="Europe/Berlin")))
    fields = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2023-11-14T23:13:20"}
    first = site.sent("StartTransaction", fields)
    assert site.sent("StartTransaction", fields) == first
    assert only(site).started_at == site.now
    assert "no_zone:timestamp" in site.flags


def test_a_whole_session_of_a_known_tag() -> None:
    """Start, samples and stop as frames, for a tag with a limit, an expiry and a group."""
    site = Site(connectors=1)
    site.put_tag(IdTag(id_tag="card", parent="family", expires_at=1_800_000_000_000, concurrent_limit=1))
    answer = site.start(tag="CARD", meter=100)
    assert answer["idTagInfo"] == {
        "status": "Accepted", "parentIdTag": "family", "expiryDate": "2027-01-15T08:00:00.000Z"
    }  # fmt: skip
    for minute in range(1, 6):
        site.advance(60)
        site.meter(100 + minute * 120, transaction=answer["transactionId"])
    site.stop(760, transaction=answer["transactionId"], tag="card", reason="Local")
    assert (only(site).energy_wh, only(site).sample_count, only(site).flags) == (660, 5, ())
    assert site.slots["card"] == set()
