"""Keys that take effect after a reboot: rebooted when nobody charges, softly first, never where it is forbidden."""

from __future__ import annotations

from shared.ocpp.timestamps import format_time

from .site import Site, template

IDLE_S = 120


def start(site: Site) -> int:
    """Begin a transaction."""
    said = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": format_time(site.now)}
    return int(site.call("StartTransaction", said)[2]["transactionId"])


def stop(site: Site, number: int) -> None:
    """End it."""
    site.call("StopTransaction", {"transactionId": number, "meterStop": 1, "timestamp": format_time(site.now)})


def waiting(**behaviour: object) -> Site:
    """Return a station whose key X waits for a reboot."""
    site = Site({"X": "1"}, reboot={"X"}, **behaviour)
    site.want(template(keys={"X": "2"}))
    site.boot()
    assert site.state("X") == "pending"
    return site


def test_an_idle_station_is_reset_softly() -> None:
    """After the idle time; the boot that follows makes the key take effect, and no further reset comes."""
    site = waiting()
    site.advance(IDLE_S - 5)
    assert site.settle_commands() == 0
    site.advance(10)
    site.settle_commands()
    assert site.resets == ["Soft"]
    site.boot()
    assert (site.state("X"), site.held["X"]) == ("in_line", "2")
    assert site.view.tuned.reboot is None
    site.advance(3600)
    site.settle_commands()
    assert site.resets == ["Soft"]


def test_nobody_who_charges_is_interrupted() -> None:
    """With an open transaction, or a car at the connector, it waits for the idle time after the end."""
    site = waiting()
    number = start(site)
    site.advance(3600)
    assert site.settle_commands() == 0
    stop(site, number)
    site.call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"})
    site.advance(IDLE_S + 5)
    assert site.settle_commands() == 0
    site.call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"})
    site.advance(301)
    site.settle_commands()
    assert site.resets == ["Soft"]


def test_a_soft_reset_that_is_refused_is_followed_by_a_hard_one() -> None:
    """And where that is refused too the station is left to its own next boot."""
    site = waiting(reset={"Soft": "Rejected", "Hard": "Rejected"})
    site.advance(IDLE_S + 5)
    site.settle_commands()
    assert site.resets == ["Soft", "Hard"]
    reboot = site.view.tuned.reboot
    assert reboot is not None
    assert reboot.refused == "Rejected"
    site.advance(24 * 3600)
    site.settle_commands()
    assert site.resets == ["Soft", "Hard"]
    site.boot()
    assert site.state("X") == "in_line"


def test_a_reset_that_leads_to_nothing_is_repeated_hard() -> None:
    """Accepted, and no boot in ten minutes: hard; then nothing more."""
    site = waiting()
    site.advance(IDLE_S + 5)
    site.settle_commands()
    site.advance(601)
    site.settle_commands()
    assert site.resets == ["Soft", "Hard"]
    site.advance(3600)
    site.settle_commands()
    assert site.resets == ["Soft", "Hard"]


def test_a_connection_after_a_reset_is_a_boot() -> None:
    """A station that comes back without a BootNotification (quirk 1) was rebooted all the same."""
    site = waiting()
    site.advance(IDLE_S + 5)
    site.settle_commands()
    site.held |= site.after_boot
    site.advance(60)
    site.open()
    for _ in range(50):
        site.advance(15)
        site.settle_commands()
    assert site.resets == ["Soft"]
    assert site.state("X") == "in_line"


def test_a_reset_that_waits_too_long_is_not_sent() -> None:
    """A station that went offline is not reset when it is back and somebody charges."""
    site = waiting()
    site.close()
    site.expire()
    site.advance(IDLE_S + 5)
    site.open()
    start(site)
    site.advance(3600)
    site.settle_commands()
    assert site.resets == []


def test_a_template_may_forbid_it() -> None:
    """`never`: the key waits for the station's own boot."""
    site = Site({"X": "1"}, reboot={"X"})
    site.want(template(keys={"X": "2"}, reboot="never"))
    site.boot()
    site.advance(3600)
    site.settle_commands()
    assert (site.resets, site.state("X")) == ([], "pending")
    site.boot()
    assert site.state("X") == "in_line"
