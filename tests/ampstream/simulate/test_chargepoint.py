"""A simulated station, its time turned by hand."""

import itertools
from collections import Counter
from typing import Any

import pytest

from ampstream.simulate.ledger import STOP, Book
from ampstream.simulate.models import MODELS
from tests.ampstream.simulate.played import Played


def charging(played: Played) -> bool:
    """Tell whether a car charges and the CSMS knows it."""
    session = played.cp.connectors[0].session
    return session is not None and session.charging.transaction_id is not None


def test_a_whole_session() -> None:
    """A car's visit is told in the order that OCPP has it, and the register adds up."""
    played = Played().started()
    played.until(lambda: bool(played.of("StopTransaction")))
    played.until(lambda: played.cp.connectors[0].status == "Available")
    played.run(1)
    actions = [sent.action for sent in played.calls if sent.action not in ("MeterValues", "Heartbeat")]
    assert actions[:4] == ["BootNotification", "StatusNotification", "StatusNotification", "StatusNotification"]
    assert [a for a in actions if "Status" not in a] == [
        "BootNotification",
        "Authorize",
        "StartTransaction",
        "StopTransaction",
    ]
    statuses = [s.payload["status"] for s in played.of("StatusNotification") if s.payload["connectorId"] == 1]
    assert statuses[0:3] == ["Available", "Preparing", "Charging"]
    assert statuses[-2:] == ["Finishing", "Available"]
    start, stop = played.of("StartTransaction")[0].payload, played.of("StopTransaction")[0].payload
    readings = [int(s.payload["meterValue"][0]["sampledValue"][0]["value"]) for s in played.of("MeterValues")]
    registers = [start["meterStart"], *readings, stop["meterStop"]]
    assert registers == sorted(registers)
    assert len(readings) > 3
    assert all(s.payload["transactionId"] == stop["transactionId"] == 1 for s in played.of("MeterValues"))
    assert played.ledger.book.energy_wh == stop["meterStop"] - start["meterStart"] > 0


@pytest.mark.parametrize("profile", ["steady", "commuter", "storm", "replay"])
def test_the_same_seed_is_the_same_life(profile: str) -> None:
    """Two fleets of one seed say the same at the same times; another seed says something else."""

    def life(seed: str) -> list[Any]:
        played = Played(seed=seed, profile=profile, model=MODELS[2]).started()
        played.run(12000)
        return [(s.at, s.message_id, s.action, s.payload) for s in played.calls]

    assert life("a") == life("a")
    assert life("a") != life("b")


def test_heartbeat_at_the_interval_given() -> None:
    """Heartbeats come at the interval of the boot's answer."""
    played = Played()
    played.results["BootNotification"] |= {"interval": 30}
    played.started().run(310)
    beats = [s.at for s in played.of("Heartbeat")]
    assert 9 <= len(beats) <= 11
    assert {round(b - a) for a, b in itertools.pairwise(beats)} == {30}


def test_pending_then_accepted() -> None:
    """Until the registration is accepted a station sends nothing but boots, at the interval it was told."""
    played = Played()
    played.results["BootNotification"] = {"status": "Pending", "currentTime": "2024-01-01T00:00:00Z", "interval": 40}
    played.started().run(100)
    assert Counter(s.action for s in played.calls) == {"BootNotification": 3}
    played.results["BootNotification"] |= {"status": "Accepted"}
    played.run(60)
    assert played.cp.online
    assert played.of("StatusNotification")


def test_offline_queue_is_replayed() -> None:
    """What happens during an outage comes afterwards, in order, with the old timestamps and new message ids."""
    played = Played(profile="replay").started()
    played.until(lambda: charging(played))
    before = len(played.calls)
    played.until(lambda: not played.open)
    gone = played.wheel.now()
    played.reachable = False
    played.until(lambda: played.cp.connectors[0].session is None)
    queued = played.cp.queued
    assert queued > 1
    assert not [s for s in played.calls[before:] if s.at > gone]
    back = played.wheel.now() + 100
    played.run(100)
    played.reachable = True
    played.until(lambda: bool(played.of("StopTransaction")))
    late = [s for s in played.calls if s.at >= back and s.action in ("MeterValues", "StopTransaction")]
    late = late[: [s.action for s in late].index("StopTransaction") + 1]
    assert len(late) >= queued
    assert len({s.message_id for s in played.calls}) == len(played.calls)
    times = [s.payload.get("timestamp") or s.payload["meterValue"][0]["timestamp"] for s in late]
    assert times == sorted(times)
    played.run(2)
    logical = next(iter(played.ledger.book.transactions.values()))
    assert logical.pending() == []


def test_start_during_an_outage_gets_its_id_before_the_rest() -> None:
    """A session that was held offline as a whole is told as a whole: the id of its start is in what follows."""
    played = Played().started()
    played.run(1)
    played.reachable = False
    played.abort()
    played.until(lambda: played.cp.connectors[0].session is not None)
    played.until(lambda: played.cp.connectors[0].session is None)
    played.reachable = True
    played.until(lambda: bool(played.of("StopTransaction")))
    assert played.of("StartTransaction")[0].at < played.of("MeterValues")[0].at
    assert {s.payload["transactionId"] for s in played.of("MeterValues")} == {1}
    assert played.of("StopTransaction")[0].payload["transactionId"] == 1
    assert not played.of("Authorize")


def test_a_lost_answer_is_no_failure() -> None:
    """A connection that dies with a message out brings it again, and costs it no attempt."""
    played = Played().started()
    played.mute = lambda sent: sent.action == "StartTransaction"
    for times in range(1, 6):
        played.until(lambda n=times: len(played.of("StartTransaction")) == n)  # type: ignore[misc]
        played.abort()
    played.mute = lambda _sent: False
    played.until(lambda: charging(played))
    starts = played.of("StartTransaction")
    assert len(starts) == 6
    assert len({s.message_id for s in starts}) == 6
    assert len({str(s.payload) for s in starts}) == 1
    assert played.world.counters.dropped == 0


def test_retries_of_a_failed_message() -> None:
    """A message that the CSMS fails to process is sent again after interval times transmissions, then given up."""
    played = Played().started()
    played.errors = lambda sent: sent.action == "StartTransaction"
    played.until(lambda: played.world.counters.dropped == 1)
    at = [s.at for s in played.of("StartTransaction")]
    assert [round(b - a) for a, b in itertools.pairwise(at)] == [60, 120]
    played.until(lambda: bool(played.of("StopTransaction")))
    assert played.of("StopTransaction")[0].payload["transactionId"] == -1
    assert "transactionId" not in played.of("MeterValues")[0].payload
    logical = next(iter(played.ledger.book.transactions.values()))
    assert logical.dropped == {"start"}


def test_no_answer_counts_as_a_failure() -> None:
    """Without an answer in 30 s a message has failed, and comes again on the same connection."""
    played = Played().started()
    played.mute = lambda sent: sent.action == "StartTransaction" and len(played.of("StartTransaction")) == 1
    played.until(lambda: charging(played))
    at = [s.at for s in played.of("StartTransaction")]
    assert [round(b - a) for a, b in itertools.pairwise(at)] == [90]
    assert played.world.counters.timeouts == 1


def test_back_off_grows_and_is_jittered() -> None:
    """A station whose CSMS is gone dials less and less often, at times of its own."""
    played, other = Played(), Played(station="SIM-00002")
    for one in (played, other):
        one.reachable = False
        one.started().run(3600)
    assert 60 < played.dials < 180
    assert played.dials != other.dials


def test_a_refused_card_charges_nothing() -> None:
    """A car whose card is refused leaves without a transaction."""
    played = Played()
    played.results["Authorize"] = {"idTagInfo": {"status": "Blocked"}}
    played.started()
    played.until(lambda: bool(played.of("Authorize")))
    played.until(lambda: played.cp.connectors[0].status == "Available")
    assert not played.of("StartTransaction")


def test_resumed_from_the_ledger() -> None:
    """A station started again on its ledger goes on with its car, its meter and what was not answered."""
    first = Played().started()
    first.until(lambda: charging(first))
    first.run(600)
    first.mute = lambda sent: sent.action == "MeterValues"
    first.run(90)
    entries = list(first.ledger.book.transactions.values())
    assert entries[0].pending()

    second = Played()
    second.ledger.book = Book()
    second.ledger.book.transactions.update(first.ledger.book.transactions)
    second.starts.update(first.starts)
    second.wheel.turn(first.wheel.now())
    second.cp.power_on(entries)
    second.until(lambda: bool(second.of("StopTransaction")))
    second.run(1)
    logical = entries[0]
    assert not second.of("StartTransaction")
    assert second.of("MeterValues")[0].payload["transactionId"] == 1
    assert logical.pending() == []
    assert STOP in logical.acked
    meters = [logical.meters[n].meter_wh for n in sorted(logical.meters)]
    assert meters == sorted(meters)
    assert len(second.ledger.book.transactions) == 1
