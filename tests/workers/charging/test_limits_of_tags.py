"""Where and when a tag may charge, how models' spellings of it are read, and starts that were refused too late."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus import keys
from shared.envelopes import Kind
from shared.policy import Policy
from shared.records.authorization_hours import DAY_MINUTES, Hours, HoursError, open_until, parse, written
from shared.records.configuration import KeyValue, Snapshot
from shared.records.events import TransactionUnauthorized, TransactionUnauthorizedEnded
from shared.records.packing import pack
from shared.records.requests import UpdateStation
from shared.records.tags import IdTag
from tests.workers.harness import START_MS
from workers.dispatch import decide

from .site import Site

REJECT = Policy(unknown_stations="accept", unknown_tags="reject")
MINUTES = st.integers(0, DAY_MINUTES - 1)
WINDOWS = st.builds(
    Hours,
    st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    MINUTES,
    st.integers(0, DAY_MINUTES),
)


def ms(text: str, zone: str = "Europe/Berlin") -> int:
    """Return a local time."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def status(site: Site, tag: str = "card") -> str:
    """Authorize a tag."""
    return str(site.sent("Authorize", {"idTag": tag})["idTagInfo"]["status"])


@pytest.mark.parametrize(
    ("text", "at", "until"),
    [
        ("mon-fri 08:00-18:00", "2026-11-23T12:00:00", "2026-11-23T18:00:00"),
        ("mon-fri 08:00-18:00", "2026-11-23T18:00:00", None),
        ("mon-fri 08:00-18:00", "2026-11-22T12:00:00", None),
        ("sun 22:00-06:00", "2026-11-23T05:59:00", "2026-11-23T06:00:00"),
        ("sun 22:00-06:00", "2026-11-24T05:59:00", None),
        ("08:00-12:00; 11:00-15:00", "2026-11-23T11:30:00", "2026-11-23T15:00:00"),
        ("00:00-24:00", "2026-11-23T23:59:00", "2026-11-24T00:00:00"),
        ("00:00-04:00", "2026-03-29T03:30:00", "2026-03-29T04:00:00"),
    ],
)
def test_windows_are_of_the_wall_clock(text: str, at: str, until: str | None) -> None:
    """A window opens and closes by the local clock, over midnight and over a change of the clock."""
    assert open_until(parse(text), "Europe/Berlin", ms(at)) == (ms(until) if until else 0)


@pytest.mark.parametrize(
    ("text", "minutes"), [("01:00-02:45", 15), ("sat 22:00-02:40", 10), ("02:15-04:00", 90), ("01:00-02:20", None)]
)
def test_an_hour_that_comes_twice(text: str, minutes: int | None) -> None:
    """Where it is half past two for the second time, a window ends at its end that is still to come."""
    again = ms("2026-10-25T02:30:00") + 3600 * 1000
    assert open_until(parse(text), "Europe/Berlin", again) == (again + minutes * 60_000 if minutes else 0)


@given(st.lists(WINDOWS, max_size=5).map(tuple), st.integers(START_MS, START_MS + 10**11))
def test_windows_are_read_as_they_are_written(hours: tuple[Hours, ...], at: int) -> None:
    """What is written is read the same, and a window that is open ends later than now, within a day."""
    assert parse(written(hours)) == hours
    until = open_until(hours, "Europe/Berlin", at)
    assert until == 0 or at < until <= at + 25 * 3600 * 1000


@pytest.mark.parametrize("text", ["8-18", "mon 25:00-26:00", "someday 08:00-09:00", "mon 08:60-09:00", "24:00-01:00"])
def test_what_is_no_window_is_refused(text: str) -> None:
    """Every mistake is named."""
    with pytest.raises(HoursError, match=r"\w"):
        parse(text)


def test_a_tag_charges_in_its_hours() -> None:
    """Outside of them it is Blocked; inside, its answer is valid no longer than the window (section 3.5.1)."""
    site = Site(REJECT)  # It is 22:13 in UTC, 23:13 in Berlin.
    site.put_tag(IdTag(id_tag="card", hours=parse("22:00-23:00")))
    assert site.sent("Authorize", {"idTag": "card"})["idTagInfo"] == {
        "status": "Accepted",
        "expiryDate": "2023-11-14T23:00:00.000Z",
    }
    site.put_tag(IdTag(id_tag="card", hours=parse("22:00-23:00"), time_zone="Europe/Berlin"))
    assert status(site) == "Blocked"
    site.request(UpdateStation(request_id="r", time_zone="America/New_York"))
    site.put_tag(IdTag(id_tag="card", hours=parse("17:00-18:00")))
    assert status(site) == "Accepted"


def test_a_queued_start_is_judged_by_its_own_time() -> None:
    """A start that comes hours later began within the hours."""
    site = Site(REJECT)
    site.put_tag(IdTag(id_tag="card", hours=parse("19:00-20:00")))
    assert site.start(tag="card", at=START_MS - 3 * 3600 * 1000)["idTagInfo"]["status"] == "Accepted"
    assert site.start(tag="card", connector=2)["idTagInfo"]["status"] == "Blocked"


def test_an_authorize_takes_one_round_trip() -> None:
    """All that the decision looks at is named before anything is read: station, tag, site."""
    site = Site(REJECT)
    site.put_tag(IdTag(id_tag="card", sites=("yard",), hours=parse("00:00-24:00"), parent="fleet", concurrent_limit=1))
    site.memory.data[keys.SITE_STATIONS] = {"CP1": b"yard"}
    site.call_seq += 1
    frame = msgspec.json.encode([2, "m", "Authorize", {"idTag": "CARD"}])
    entry = site.entry(Kind.CALL, frame, call_seq=site.call_seq)
    view = site.view
    view.loaded = {want: site.load(want) for want in entry.wants()}
    draft = decide(entry, view, site.now, site.policy)  # Raises `Missing` where anything more is wanted.
    assert draft.answer is not None
    assert msgspec.json.decode(draft.answer)[2]["idTagInfo"]["status"] == "Accepted"


def test_a_tag_charges_at_its_sites() -> None:
    """The site of the station, or its group, in any case."""
    site = Site(REJECT)
    site.put_tag(IdTag(id_tag="card", sites=("Yard", "North")))
    assert status(site) == "Blocked"
    site.request(UpdateStation(request_id="r", group="north"))
    assert status(site) == "Accepted"
    site.request(UpdateStation(request_id="r2", group=""))
    site.memory.data[keys.SITE_STATIONS] = {"CP1": b"yard"}
    assert status(site) == "Accepted"


@pytest.mark.parametrize(
    ("rules", "read"),
    [
        ({"id_tag_suffix": "dash"}, "04A1B2C3-9981"),
        ({"id_tag": "hex", "id_tag_suffix": "slash"}, "0x04:A1:B2:C3/7"),
        ({"id_tag_bytes": "reversed"}, "C3B2A104"),
        ({"id_tag": "hex", "id_tag_bytes": "reversed"}, "c3-b2-a1-04"),
        ({"id_tag_digits": "8"}, "4A1B2C3"),
        ({"id_tag_digits": "8", "id_tag": "hex", "id_tag_suffix": "hash"}, "4A1B2C3#x"),
    ],
)
def test_a_model_reads_a_card_in_its_own_way(rules: dict[str, str], read: str) -> None:
    """Suffixes, separators, the order of bytes and missing zeros are put right before the tag is looked up."""
    site = Site(REJECT)
    site.put_tag(IdTag(id_tag="04A1B2C3"))
    assert status(site, read) == "Invalid"
    site.request(UpdateStation(request_id="r", quirk_profile=rules))
    assert status(site, read) == "Accepted"


def refused(site: Site, number: int) -> list[TransactionUnauthorizedEnded]:
    """Return what billing heard at the end."""
    return [one for one in site.events_of(TransactionUnauthorizedEnded) if one.transaction_id == number]


def test_an_offline_start_that_is_refused_is_told_and_measured() -> None:
    """Begun before the connection, refused when it came: flagged, an event, its energy measured."""
    site = Site(REJECT)
    told = {"StopTransactionOnInvalidId": KeyValue("False"), "MaxEnergyOnInvalidId": KeyValue("1000")}
    site.memory.data[keys.configuration("CP1")] = pack(Snapshot(read_at=1, keys=told))
    began = START_MS - 3600 * 1000
    answer = site.start(tag="stolen", at=began, meter=1000)
    number = answer["transactionId"]
    assert answer["idTagInfo"]["status"] == "Invalid"
    (event,) = site.events_of(TransactionUnauthorized)
    assert (event.status, event.offline, event.expected, event.max_energy_wh) == ("Invalid", True, "suspend", 1000)
    assert site.transaction(number).flags == ("offline_refused",)
    site.meter(5000, transaction=number, at=START_MS - 60_000)
    site.advance(600)
    site.stop(5900, transaction=number)
    (ended,) = refused(site, number)
    assert (ended.energy_wh, ended.energy_after_wh, ended.flags) == (4900, 900, ("offline_refused",))


def test_energy_after_a_refusal_is_flagged() -> None:
    """A station that goes on as if nothing had been said is flagged, and so is the transaction."""
    site = Site(REJECT)
    number = site.begin(tag="stolen", meter=0)
    site.advance(3600)
    site.stop(9000, transaction=number)
    (ended,) = refused(site, number)
    assert (ended.energy_after_wh, ended.flags) == (9000, ("charged_refused",))
    assert "charged_refused" in site.flags


def test_nothing_is_told_of_a_start_that_was_accepted() -> None:
    """An accepted offline start is a transaction like any other."""
    site = Site(REJECT)
    site.put_tag(IdTag(id_tag="card"))
    number = site.start(tag="card", at=START_MS - 3600 * 1000)["transactionId"]
    site.stop(2000, transaction=number)
    assert not site.events_of(TransactionUnauthorized)
    assert not refused(site, number)
