"""Fleets over real sockets, against a CSMS that the `ocpp` package makes."""

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ocpp.v16 import call
from ocpp.v16.datatypes import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from ocpp.v16.enums import (
    AuthorizationStatus,
    AvailabilityType,
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    MessageTrigger,
    RegistrationStatus,
    ResetType,
    UpdateType,
)

from ampstream.simulate.fleet import Access, Fleet, TooManyStations, allow_sockets
from ampstream.simulate.ledger import Book, FileLedger, MemoryLedger, Recorder, read
from ampstream.simulate.models import BY_NAME
from ampstream.simulate.profiles import PROFILES
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from shared.ocpp.timestamps import format_time
from tests.ampstream.simulate.csms import Csms, running_csms
from tests.support import free_port, wait_until


@contextlib.asynccontextmanager
async def running_fleet(
    *urls: str,
    stations: int = 3,
    profile: str = "steady",
    speed: float = 600,
    ledger: Recorder | None = None,
    book: Book | None = None,
    **options: Any,
) -> AsyncIterator[Fleet]:
    """Run a fast fleet for the length of the block."""
    wheel = LoopWheel()
    run = book.runs if book else 0
    world = World(wheel, PROFILES[profile], speed=speed, run=run, ledger=ledger, tags=("TAG1",))
    ids = [f"SIM-{n:05d}" for n in range(1, stations + 1)]
    fleet = Fleet(world, ids, [Endpoint.parse(url) for url in urls], connect_rate=0, **options)
    fleet.start(book)
    try:
        yield fleet
    finally:
        await fleet.close()
        wheel.stop()


@pytest.fixture
async def csms() -> AsyncIterator[Csms]:
    """A CSMS that accepts all."""
    async with running_csms() as csms:
        yield csms


async def test_sessions_over_sockets(csms: Csms) -> None:
    """Stations boot, charge and stop; the other end's schemas accept every message; the ledger agrees on every Wh."""
    ledger = MemoryLedger()
    async with running_fleet(csms.url, ledger=ledger, access=Access(b"secret")) as fleet:
        await wait_until(lambda: fleet.world.counters.stopped >= 4, 60)
        assert await fleet.finish(10)
        status = fleet.status()
    assert (status.online, status.accepted, status.charging, status.queued) == (3, 3, 0, 0)
    assert status.errors == status.timeouts == status.dropped == 0
    assert len(csms.stops) == status.stopped
    assert ledger.book.settled()
    told = {key[4] + 0: stop["meter_stop"] for key, n in csms.starts.items() if (stop := csms.stops.get(n))}
    assert sum(stop - start for start, stop in told.items()) == ledger.book.energy_wh == status.energy_wh
    assert all((header or "").startswith("Basic ") for header in csms.authorizations.values())


async def test_the_csms_calls(csms: Csms) -> None:
    """Calls of the CSMS are answered over the same socket, and what they trigger follows."""
    async with running_fleet(csms.url, stations=1, speed=1):
        await wait_until(lambda: csms.actions().count("StatusNotification") >= 2)
        peer = csms.peers["SIM-00001"]
        answer = await peer.call(call.TriggerMessage(requested_message=MessageTrigger.heartbeat))
        assert answer.status == "Accepted"
        await wait_until(lambda: "Heartbeat" in csms.actions())
        configuration = await peer.call(call.GetConfiguration(key=["HeartbeatInterval"]))
        assert configuration.configuration_key[0]["value"] == "60"


def in_an_hour() -> str:
    """Return a time to come as OCPP has it."""
    return format_time(time.time_ns() // 1_000_000 + 3_600_000)


EXPIRY = {"expiry_date": in_an_hour(), "id_tag": "T", "reservation_id": 5}
PERIOD = ChargingSchedulePeriod(start_period=0, limit=16.0)
PROFILE = ChargingProfile(
    charging_profile_id=1,
    stack_level=0,
    charging_profile_purpose=ChargingProfilePurposeType.tx_default_profile,
    charging_profile_kind=ChargingProfileKindType.relative,
    charging_schedule=ChargingSchedule(charging_rate_unit=ChargingRateUnitType.amps, charging_schedule_period=[PERIOD]),
)
CALLS: list[tuple[Any, str]] = [
    (call.ReserveNow(connector_id=1, **EXPIRY), "Accepted"),
    (call.CancelReservation(reservation_id=5), "Accepted"),
    (call.SendLocalList(list_version=1, update_type=UpdateType.full), "Accepted"),
    (call.GetLocalListVersion(), ""),
    (call.SetChargingProfile(connector_id=1, cs_charging_profiles=PROFILE), "Accepted"),
    (call.GetCompositeSchedule(connector_id=1, duration=600), "Accepted"),
    (call.ClearChargingProfile(id=1), "Accepted"),
    (call.GetLog(log={"remoteLocation": "https://x/"}, log_type="SecurityLog", request_id=1), "Accepted"),
    (call.GetDiagnostics(location="ftp://x/"), ""),
    (call.UpdateFirmware(location="https://x/3.0.0", retrieve_date=in_an_hour()), ""),
    (call.GetInstalledCertificateIds(certificate_type="CentralSystemRootCertificate"), "NotFound"),
    (call.InstallCertificate(certificate_type="CentralSystemRootCertificate", certificate="no"), "Rejected"),
    (call.CertificateSigned(certificate_chain="no"), "Rejected"),
    (call.ExtendedTriggerMessage(requested_message="LogStatusNotification"), "Accepted"),
    (call.ChangeConfiguration(key="SecurityProfile", value="2"), "RebootRequired"),
    (call.GetConfiguration(), ""),
    (call.ChangeAvailability(connector_id=2, type=AvailabilityType.inoperative), "Accepted"),
    (call.UnlockConnector(connector_id=1), "Unlocked"),
    (call.ClearCache(), "Accepted"),
    (call.DataTransfer(vendor_id="nobody"), "UnknownVendorId"),
    (call.Reset(type=ResetType.hard), "Accepted"),
]


async def test_every_answer_is_valid(csms: Csms) -> None:
    """The schemas of the `ocpp` package take each answer of a station, and what follows it."""
    async with running_fleet(csms.url, stations=1, speed=20, profile="commuter", model=BY_NAME["Pole Duo 22"]) as fleet:
        await wait_until(lambda: csms.actions().count("StatusNotification") >= 3)
        for asked, status in CALLS:
            answer = await csms.peers["SIM-00001"].call(asked, suppress=False)
            assert getattr(answer, "status", "") == status, asked
        await wait_until(lambda: csms.actions().count("BootNotification") == 2)
        assert fleet.world.counters.errors == 0
        assert "LogStatusNotification" in csms.actions()


async def test_reconnects_after_a_close(csms: Csms) -> None:
    """A station whose socket is closed comes back by itself."""
    async with running_fleet(csms.url, stations=1, speed=1) as fleet:
        await wait_until(lambda: fleet.status().accepted == 1)
        await csms.drop("SIM-00001")
        await wait_until(lambda: fleet.world.counters.lost == 1)
        await wait_until(lambda: fleet.status().accepted == 1)


async def test_fails_over_to_another_edge(csms: Csms) -> None:
    """Stations whose edge is gone, or refuses them, try the next."""
    async with running_csms() as refusing:
        refusing.refuse_with = 503
        dead = f"ws://127.0.0.1:{free_port()}/ocpp"
        async with running_fleet(dead, refusing.url, csms.url, stations=6) as fleet:
            await wait_until(lambda: fleet.status().accepted == 6)
    assert refusing.authorizations
    assert len(csms.peers) == 6


async def test_outages_lose_nothing(csms: Csms) -> None:
    """With an outage in every session every Wh still arrives, once."""
    ledger = MemoryLedger()
    async with running_fleet(csms.url, stations=4, profile="replay", speed=1200, ledger=ledger) as fleet:
        await wait_until(lambda: fleet.world.counters.stopped >= 6 and fleet.world.counters.lost >= 4, 60)
        assert await fleet.finish(60)
    assert ledger.book.settled()
    assert len(csms.starts) == len(ledger.book.transactions)
    told = sum(csms.stops[n]["meter_stop"] - key[4] for key, n in csms.starts.items())
    assert told == ledger.book.energy_wh


async def test_a_storm(csms: Csms) -> None:
    """In a storm all sockets die at once, and all come back."""
    async with running_fleet(csms.url, stations=20, speed=1) as fleet:
        await wait_until(lambda: fleet.status().accepted == 20)
        fleet.drop_all()
        await wait_until(lambda: fleet.world.counters.lost == 20)
        await wait_until(lambda: fleet.status().accepted == 20)


async def test_rejected_registration_and_tags(csms: Csms) -> None:
    """A station that is first rejected boots again; a blocked card ends what it began offline."""
    csms.registrations, csms.interval = [RegistrationStatus.rejected], 1
    csms.tag_status = AuthorizationStatus.blocked
    async with running_fleet(csms.url, stations=1) as fleet:
        await wait_until(lambda: csms.actions().count("BootNotification") == 2)
        await wait_until(lambda: csms.actions().count("Authorize") >= 2)
        # A car that came while the station was not registered was let in, and put out when the CSMS heard of it.
        await wait_until(lambda: len(csms.stops) == fleet.world.counters.started)
        assert all(stop["reason"] == "DeAuthorized" for stop in csms.stops.values())


async def test_killed_and_started_on_its_ledger(csms: Csms, tmp_path: Path) -> None:
    """A fleet that ends without a word and starts on its ledger goes on: no session is lost or told twice."""
    path = tmp_path / "ledger"
    ledger = FileLedger(path, "1", 1)
    async with running_fleet(csms.url, ledger=ledger, speed=120) as fleet:
        await wait_until(lambda: fleet.status().charging >= 2, 30)
        cars = [connector for station in fleet.stations for connector in station.connectors]
        await wait_until(lambda: any(car.session and car.session.meters > 1 for car in cars))
    assert not read(path).settled()
    book = read(path)
    again = FileLedger(path, "1", 2)
    async with running_fleet(csms.url, ledger=again, book=book, speed=120) as fleet:
        await wait_until(lambda: fleet.status().accepted == 3)
        assert fleet.world.counters.stopped + fleet.status().charging >= 2
        assert await fleet.finish(30)
    book = read(path)
    assert book.runs == 2
    assert book.settled()
    told = sum(csms.stops[n]["meter_stop"] - key[4] for key, n in csms.starts.items())
    assert told == book.energy_wh
    assert len(csms.starts) == len(book.transactions)


def test_too_many_stations() -> None:
    """More stations than the process may open sockets for is an error that says how to mend it."""
    with pytest.raises(TooManyStations, match="ulimit"):
        allow_sockets(10_000_000)
