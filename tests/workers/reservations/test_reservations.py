"""Reservations: made, refused, used, expired, cancelled, doubted."""

from shared.bus import keys
from shared.records import events
from shared.records.requests import CancelCommand, DeleteStation
from shared.records.tags import IdTag
from tests.workers.reservations.place import Place
from workers.services import reservations


def test_made_and_used_by_name() -> None:
    """Accepted, it is active; the start that names it uses it, in whatever letters its tag is."""
    place = Place()
    name = place.reserve(answer=None)
    assert place.state(name) == "pending"
    place.answer(name, {"status": "Accepted"})
    assert place.state(name) == "active"
    number = place.begin(tag="anna", reservationId=7)
    assert place.state(name) == "used"
    assert place.record(name).transaction_id == number
    assert place.transaction(number).flags == ()
    (made,) = place.events_of(events.ReservationMade)
    (used,) = place.events_of(events.ReservationUsed)
    assert (made.number, made.connector_id, used.transaction_id) == (7, 1, number)
    place.advance(1000)
    assert place.events_of(events.ReservationExpired) == []
    assert (place.count("reservations_total", "made"), place.count("reservations_total", "used")) == (1, 1)


def test_refused() -> None:
    """The status that the station answers is the reason; it is kept for nobody then."""
    place = Place()
    name = place.reserve(answer="Occupied")
    assert (place.state(name), place.record(name).reason) == ("refused", "Occupied")
    assert place.transaction(place.begin(tag="BERT")).flags == ()


def test_expires() -> None:
    """At its time, not before; a late start that names it makes it a used one."""
    place = Place()
    name = place.reserve(seconds=100)
    place.advance(99)
    assert place.state(name) == "active"
    place.advance(2)
    assert place.state(name) == "expired"
    at = place.now - 50_000
    place.begin(tag="ANNA", at=at, reservationId=7)
    assert place.state(name) == "used"
    assert place.view.reserved.over == ()


def test_used_without_its_name() -> None:
    """A start by the tag or its group counts, its own connector's reservation before that of any connector."""
    place = Place()
    place.put_tag(IdTag(id_tag="SISTER", parent="FAMILY"))
    anywhere = place.reserve(1, connector=0, parentIdTag="family")
    here = place.reserve(2, connector=2)
    place.begin(connector=2, tag="ANNA")
    assert (place.state(anywhere), place.state(here)) == ("active", "used")
    place.begin(connector=1, tag="SISTER")
    assert place.state(anywhere) == "used"


def test_another_tag_on_a_reserved_connector() -> None:
    """Its transaction is flagged and the reservation goes on; on another connector nothing is odd."""
    place = Place()
    name = place.reserve()
    assert place.transaction(place.begin(connector=2, tag="BERT")).flags == ()
    assert place.transaction(place.begin(connector=1, tag="BERT")).flags == ("reserved_for_another",)
    assert place.state(name) == "active"


def test_a_start_from_before_is_not_about_it() -> None:
    """A start that was queued since before the reservation neither uses it nor offends it."""
    place = Place()
    name = place.reserve()
    early = place.now - 3600_000
    assert place.transaction(place.begin(tag="BERT", at=early)).flags == ()
    place.begin(tag="ANNA", at=early + 1)
    assert place.state(name) == "active"


def test_odd_names() -> None:
    """A start that names an unknown reservation, or one of another tag, is flagged; it uses the one that it names."""
    place = Place()
    name = place.reserve()
    assert place.transaction(place.begin(connector=2, reservationId=99)).flags == ("reservation_unknown",)
    assert place.transaction(place.begin(tag="BERT", reservationId=7)).flags == ("reservation_differs",)
    assert place.state(name) == "used"


def test_cancelled() -> None:
    """By CancelReservation, whether the station still has it or not; by cancelling what was not sent."""
    place = Place()
    first, second = place.reserve(1), place.reserve(2, connector=2)
    place.send("CancelReservation", "Accepted", reservationId=1)
    place.send("CancelReservation", "Rejected", reservationId=2)
    assert (place.state(first), place.state(second)) == ("cancelled", "cancelled")
    assert place.record(second).reason == "the station did not have it any more"
    place.close()
    third = place.reserve(3, answer=None)
    assert place.request(CancelCommand(request_id="x", command_id=third))[0] == 200
    assert place.state(third) == "cancelled"
    assert len(place.events_of(events.ReservationCancelled)) == 3


def test_replaced() -> None:
    """Another with the same number takes its place at the station."""
    place = Place()
    first = place.reserve(7)
    second = place.reserve(7, seconds=900)
    assert (place.state(first), place.state(second)) == ("cancelled", "active")
    place.begin(tag="ANNA", reservationId=7)
    assert place.state(second) == "used"


def test_never_sent() -> None:
    """A reservation whose station does not come back in time has expired, and so has its command."""
    place = Place()
    place.close()
    name = place.reserve(answer=None, seconds=60)
    place.advance(61)
    assert place.state(name) == "expired"


def test_no_answer() -> None:
    """Without an answer it stays pending: a start may use it, a late answer decides it, its time ends it."""
    place = Place()
    names = [place.reserve(number, answer=None) for number in (1, 2, 3, 4)]
    for _ in names:
        place.advance(60)
    states = [place.state(name) for name in names]
    assert states == ["pending"] * 4
    assert place.record(names[0]).reason == "the station has not answered"
    place.answer(names[0], {"status": "Accepted"})
    place.answer(names[1], {"status": "Occupied"})
    place.begin(tag="ANNA", reservationId=3)
    assert [place.state(name) for name in names] == ["active", "refused", "used", "pending"]
    place.advance(600)
    assert [place.state(name) for name in names] == ["expired", "refused", "used", "expired"]


def test_a_start_overtakes_the_answer() -> None:
    """Used before its acceptance is known, it stays used."""
    place = Place()
    name = place.reserve(answer=None)
    place.begin(tag="ANNA", reservationId=7)
    place.answer(name, {"status": "Accepted"})
    assert place.state(name) == "used"
    assert place.events_of(events.ReservationMade) == []


def test_statuses_that_contradict() -> None:
    """A reserved connector that shows itself free is in doubt until it shows Reserved again; strangers are welcome."""
    place = Place()
    name = place.reserve()
    place.status(1, "Reserved")
    assert place.record(name).doubt == ""
    place.boot()
    place.status(1, "Available")
    assert (place.state(name), place.record(name).doubt) == ("active", "Available")
    assert "reservation_lost" in place.flags
    place.status(1, "Reserved")
    assert place.record(name).doubt == ""
    place.status(1, "Unavailable")
    assert place.transaction(place.begin(tag="BERT")).flags == ()


def test_reserved_for_nobody() -> None:
    """A connector that is Reserved without a reservation flags its station; connector 0's may explain it."""
    place = Place()
    place.reserve(connector=0)
    place.status(1, "Reserved")
    assert place.flags == []
    place.send("CancelReservation", "Accepted", reservationId=7)
    place.status(2, "Reserved")
    assert place.flags == ["reserved_unknown"]


def test_the_end_of_a_reservation_is_no_contradiction() -> None:
    """A connector that is free again around the time of the expiry was not lost."""
    place = Place()
    place.reserve(seconds=100)
    place.status(1, "Reserved")
    place.advance(95)
    place.status(1, "Available")
    assert place.flags == []


def test_bounded() -> None:
    """Of the ended ones so many are kept, and so many live ones are followed."""
    place = Place()
    first = place.reserve(1, answer="Rejected")
    for number in range(2, reservations.MAX_ENDED + 2):
        place.reserve(number, answer="Rejected")
    assert keys.reservation(place.station_id, first) not in place.memory.data
    assert len(place.memory.data[keys.RESERVATIONS]) == reservations.MAX_ENDED
    for number in range(100, 100 + reservations.MAX_LIVE + 1):
        last = place.reserve(number)
    assert len(place.view.reserved.live) == reservations.MAX_LIVE
    assert keys.reservation(place.station_id, last) not in place.memory.data


def test_deleted_station() -> None:
    """What its station was asked to keep ends with it, and is listed no longer."""
    place = Place()
    name = place.reserve()
    done = place.reserve(8, answer="Rejected")
    assert place.request(DeleteStation(request_id="d"))[0] == 200
    assert not place.memory.data[keys.RESERVATIONS]
    assert {keys.reservation(place.station_id, one) for one in (name, done)}.isdisjoint(place.memory.data)
    assert place.view.reserved.live == {}
