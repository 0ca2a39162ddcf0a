"""Ends that Ampstream assumed: the station's own stop, however late, replaces them ."""

from __future__ import annotations

from shared.records.events import TransactionCorrected, TransactionEnded

from .site import Site
from .test_stops import site_with


def superseded() -> tuple[Site, int, int]:
    """A site whose first transaction was ended by a newer start: estimated at 1500 Wh on the register."""
    site, first = site_with()
    site.meter(1500, transaction=first)
    site.advance(60)
    second = site.begin(meter=1800)
    return site, first, second


def test_the_stations_own_stop_replaces_an_estimate() -> None:
    """However late, it gives meter, time and reason; the estimate stays; flag, event, and no second end."""
    site, first, _ = superseded()
    stopped = site.now - 10_000
    site.advance(86_400)
    site.stop(1800, transaction=first, at=stopped, reason="PowerLoss")
    found = site.transaction(first)
    assert (found.energy_wh, found.meter_stop_wh, found.stopped_at) == (800, 1800, stopped)
    assert (found.stop_reason, found.estimated) == ("PowerLoss", False)
    assert [one.energy_wh for one in found.estimates] == [500]
    assert "corrected" in found.flags
    (event,) = site.events_of(TransactionCorrected)
    assert (event.energy_wh, event.previous_energy_wh, event.reason) == (800, 500, "PowerLoss")
    assert len(site.events_of(TransactionEnded)) == 1
    assert site.count("energy_delivered_joules_total") == 800 * 3600
    assert site.view.charging.estimated == ()


def test_a_correction_happens_once() -> None:
    """After the station's own stop the transaction is closed for good."""
    site, first, _ = superseded()
    at = site.now - 10_000
    site.stop(1800, transaction=first, at=at)
    before = site.transaction(first)
    site.stop(1800, transaction=first, at=at)
    assert site.transaction(first) == before
    assert len(site.events_of(TransactionCorrected)) == 1


def test_a_stop_without_an_id_replaces_the_estimate_that_it_fits() -> None:
    """A late stop with -1 belongs to the transaction that was ended by estimate, not to the next one."""
    site, first, second = superseded()
    site.stop(1800, transaction=-1, at=site.now - 10_000)
    assert (site.transaction(first).energy_wh, site.transaction(first).estimated) == (800, False)
    assert site.transaction(second).state == "open"
    assert len(site.transactions) == 2


def test_a_stop_from_after_an_estimate_is_not_its_own() -> None:
    """What happened after a transaction was provably over is another's: it is built from its stop."""
    site, first, second = superseded()
    site.advance(600)
    site.stop(2500, transaction=second)
    site.advance(7200)
    begun = site.now - 3600_000
    site.stop(9000, transaction=-1, begin=(begun, 3000))
    assert site.transaction(first).estimated
    assert len(site.transactions) == 3
