"""Cars under charging profiles: what they truly draw, what is reported, and how some do not obey."""

from pathlib import Path
from typing import Any

import pytest

from ampstream.simulate.behaviours import BEHAVIOURS, PLAIN, Behaviour
from ampstream.simulate.drawlog import DrawFile, DrawLog
from ampstream.simulate.models import BY_NAME
from tests.ampstream.simulate.played import EPOCH_MS, Played

STATION = "SIM-00001"


def charging(behaviour: Behaviour = PLAIN, model: str = "Pole Duo 22", **more: Any) -> tuple[Played, DrawLog]:
    """Return a station with one car of three phases and 32 A, charging for a minute, and the log of its draws."""
    played = Played(model=BY_NAME[model], behaviour=behaviour)
    log = DrawLog()
    played.world.draws = log
    played.started()
    played.cp.operative = True
    for connector in played.cp.connectors:
        connector.set_operative(connector.number == 1)
    played.run(1)
    connector = played.cp.connectors[0]
    while connector.plan_of(connector.sessions + 1).charge.plateau_w < 22000:
        connector.sessions += 1
    played.ask("RemoteStartTransaction", idTag="T", connectorId=1, **more)
    played.until(lambda: connector.session is not None)
    played.run(60)
    return played, log


def amps(played: Played, log: DrawLog) -> tuple[float, ...]:
    """Return what the station truly draws now, by phase."""
    return tuple(round(each, 2) for each in log.amps(STATION, played.world.wall_ms()))


def limit(played: Played, limit: float, unit: str = "A", purpose: str = "TxDefaultProfile", **more: Any) -> str:
    """Install a profile of one limit, or of more periods, on connector 1."""
    periods = more.pop("periods", [{"startPeriod": 0, "limit": limit}])
    schedule = {"chargingRateUnit": unit, "chargingSchedulePeriod": periods, "startSchedule": played.time()}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    connector = 0 if purpose == "ChargePointMaxProfile" else 1
    return played.status("SetChargingProfile", connectorId=connector, csChargingProfiles=profile | more)


def statuses(played: Played) -> list[str]:
    """Return the statuses that connector 1 reported."""
    return [sent.payload["status"] for sent in played.of("StatusNotification") if sent.payload["connectorId"] == 1]


def reported(played: Played, measurand: str) -> list[float]:
    """Return the values of the last meter reading, by phase."""
    values = played.of("MeterValues")[-1].payload["meterValue"][0]["sampledValue"]
    return [float(one["value"]) for one in values if one["measurand"] == measurand]


def test_a_limit_is_obeyed_pauses_and_lets_go() -> None:
    """A car draws what the profile allows within five seconds, pauses at 0 and below 6 A, and goes on."""
    played, log = charging()
    assert amps(played, log) == (32.0, 32.0, 32.0)
    for allowed, drawn, status in ((16, 16.0, "Charging"), (0, 0.0, "SuspendedEVSE"), (10, 10.0, "Charging")):
        assert limit(played, allowed) == "Accepted"
        played.run(20)
        assert (amps(played, log), statuses(played)[-1]) == ((drawn,) * 3, status)
    limit(played, 5.9)
    played.run(5.1)
    assert (amps(played, log), statuses(played)[-1]) == ((0.0, 0.0, 0.0), "SuspendedEVSE")
    played.status("ClearChargingProfile", id=1)
    played.run(20)
    assert amps(played, log) == (32.0, 32.0, 32.0)


def test_periods_begin_by_themselves() -> None:
    """A schedule's next period is obeyed when it begins, and the register is the integral of the true draw."""
    played, log = charging()
    begun = played.cp.connectors[0].look().register_wh
    since = played.world.wall_ms()
    limit(played, 0, periods=[{"startPeriod": at, "limit": a} for at, a in ((0, 16), (300, 0), (600, 8))])
    played.run(1000)
    seen = [round(log.amps(STATION, since + second * 1000)[0]) for second in (200, 400, 800)]
    assert seen == [16, 0, 8]
    drawn = sum(log.power_w(STATION, since + second * 1000 + 500) for second in range(1000)) / 3600
    assert played.cp.connectors[0].look().register_wh - begun == pytest.approx(drawn, abs=2)


def test_what_is_reported_is_what_is_drawn() -> None:
    """Current per phase, power, and what is offered follow the limit."""
    played, _ = charging()
    wanted = "Power.Active.Import,Current.Import,Current.Offered,Power.Offered"
    played.ask("ChangeConfiguration", key="MeterValuesSampledData", value=wanted)
    limit(played, 11040, "W")
    played.run(120)
    assert reported(played, "Current.Import") == [16.0, 16.0, 16.0]
    assert reported(played, "Power.Active.Import") == [11040.0]
    assert (reported(played, "Current.Offered"), reported(played, "Power.Offered")) == ([16.0], [11040.0])


def test_a_limit_that_is_there_holds_from_the_first_ampere() -> None:
    """A default profile, and a remote start's own, hold from the start of the transaction; the latter ends with it."""
    profile = {
        "chargingProfileId": 7,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 13}]},
    }
    played, log = charging(chargingProfile=profile)
    most = max(log.amps(STATION, EPOCH_MS + second * 1000)[0] for second in range(int(played.wheel.now())))
    assert most == pytest.approx(13)
    limit(played, 8, chargingProfileId=2)
    played.run(20)
    assert amps(played, log)[0] == 13.0
    connector = played.cp.connectors[0]
    played.ask("RemoteStopTransaction", transactionId=1)
    played.until(lambda: connector.session is None)
    stopped = played.world.wall_ms()
    played.until(lambda: connector.session is not None)
    played.run(60)
    later = range(stopped, played.world.wall_ms(), 1000)
    assert max(log.amps(STATION, at)[0] for at in later) == pytest.approx(8)


def test_the_stations_maximum_is_shared() -> None:
    """Two cars have half of the station's maximum each; one alone has it whole."""
    played, log = charging()
    other = played.cp.connectors[1]
    other.set_operative(True)
    played.ask("RemoteStartTransaction", idTag="T2", connectorId=2)
    assert limit(played, 32, purpose="ChargePointMaxProfile") == "Accepted"
    played.until(lambda: other.session is not None)
    played.run(30)
    each = {one.connector: one.amps(played.world.wall_ms())[0] for one in log.of(STATION, played.world.wall_ms())}
    assert each[1] == pytest.approx(16)
    assert each[2] <= 16.001
    other.stop(other.session.plan.reason)  # type: ignore[union-attr]
    played.run(30)
    assert amps(played, log)[0] == 32.0


def test_phases_are_switched_where_the_station_can() -> None:
    """A period on one phase takes a car to one, on stations that say that they can."""
    one_phase = [{"startPeriod": 0, "limit": 10, "numberPhases": 1}]
    for behaviour, drawn in ((PLAIN, (10.0, 10.0, 10.0)), (BEHAVIOURS["switches-phases"], (10.0, 0.0, 0.0))):
        played, log = charging(behaviour)
        limit(played, 0, periods=one_phase)
        played.run(90)
        assert amps(played, log) == drawn


def test_a_station_of_direct_current_counts_at_the_grid() -> None:
    """Of a DC outlet a limit in A is that of the three phases it draws on."""
    played = Played(model=BY_NAME["Rapid 50"])
    log = DrawLog()
    played.world.draws = log
    played.started()
    played.ask("RemoteStartTransaction", idTag="T", connectorId=1)
    played.until(lambda: played.cp.connectors[0].session is not None)
    limit(played, 10)
    played.run(30)
    assert amps(played, log) == (10.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("ignores-limits", [(10, "A", 32.0), (0, "A", 32.0)]),
        ("ignores-zero", [(10, "A", 10.0), (0, "A", 10.0)]),
        ("never-pauses", [(3, "A", 6.0), (0, "A", 6.0)]),
        ("watts-as-amps", [(7000, "W", 32.0), (10, "A", 10.0)]),
        ("sleepy-cars", [(0, "A", 0.0), (16, "A", 0.0)]),
    ],
)
def test_disobedience(name: str, steps: list[tuple[float, str, float]]) -> None:
    """What each kind of station makes of limits that it accepts."""
    played, log = charging(BEHAVIOURS[name])
    for allowed, unit, drawn in steps:
        assert limit(played, allowed, unit) == "Accepted"
        played.run(30)
        assert amps(played, log) == (drawn, drawn, drawn)
    if name == "sleepy-cars":
        assert statuses(played)[-2:] == ["SuspendedEVSE", "SuspendedEV"]


def test_more_disobedience() -> None:
    """Late, for some purposes only, at zero the end, and nothing known after a boot."""
    played, log = charging(BEHAVIOURS["obeys-late"])
    limit(played, 10)
    played.run(80)
    assert amps(played, log)[0] == 32.0
    played.run(20)
    assert amps(played, log)[0] == 10.0

    played, log = charging(BEHAVIOURS["defaults-only"])
    limit(played, 6, purpose="TxProfile", chargingProfileId=2)
    limit(played, 6, purpose="ChargePointMaxProfile", chargingProfileId=3)
    limit(played, 12)
    played.run(30)
    assert amps(played, log)[0] == 12.0

    played, log = charging(BEHAVIOURS["zero-ends"])
    limit(played, 0)
    played.run(10)
    assert (played.of("StopTransaction")[0].payload["reason"], amps(played, log)[0]) == ("Other", 0.0)

    played, _ = charging(BEHAVIOURS["forgets-profiles"])
    limit(played, 10)
    played.ask("Reset", type="Soft")
    played.run(60)
    assert played.status("ClearChargingProfile") == "Unknown"


def test_the_log_in_a_file(tmp_path: Path) -> None:
    """What another process reads is what was drawn, pauses and ends included."""
    played, _ = charging()
    path = tmp_path / "draws.jsonl"
    file = DrawFile(path)
    played.world.draws = file
    limit(played, 16)
    played.run(100)
    limit(played, 0)
    played.run(100)
    played.ask("RemoteStopTransaction", transactionId=1)
    played.run(10)
    file.close()
    log = DrawLog.read(path)
    now = played.world.wall_ms()
    assert log.stations == [STATION]
    assert [round(log.amps(STATION, now - back * 1000)[2]) for back in (120, 50, 0)] == [16, 0, 0]
    assert len(log.changes(STATION)) == 3
