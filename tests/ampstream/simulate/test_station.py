"""The station that tests play by hand."""

from collections.abc import AsyncIterator

import pytest
from ocpp.v16 import call

from ampstream.simulate.station import CallFailed, ConnectionGone, Refused, Station, StationError
from tests.ampstream.simulate.csms import Csms, running_csms


@pytest.fixture
async def csms() -> AsyncIterator[Csms]:
    """A CSMS that accepts all."""
    async with running_csms() as csms:
        yield csms


START = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2024-01-01T00:00:00Z"}


async def test_calls(csms: Csms) -> None:
    """A CALL returns its answer's payload, or raises its CALLERROR."""
    async with Station(csms.url, "CP1") as station:
        assert station.subprotocol == "ocpp1.6"
        assert (await station.call("StartTransaction", START))["transactionId"] == 1
        answer = await station.call("StartTransaction", START, message_id="again")
        assert (answer.message_id, answer["transactionId"]) == ("again", 1)
        with pytest.raises(CallFailed) as caught:
            await station.call("Nonsense")
        assert caught.value.code == "NotSupported"


async def test_calls_overlap_and_share_an_id(csms: Csms) -> None:
    """Several calls may be out, also under one id; each gets an answer."""
    async with Station(csms.url, "CP1") as station:
        out = [station.start_call("StartTransaction", START, message_id="7") for _ in range(3)]
        assert {(await future)["transactionId"] for future in out} == {1}


async def test_abort_fails_what_waits(csms: Csms) -> None:
    """A dropped connection fails the call that waits, and the station may connect again."""
    station = Station(csms.url, "CP1")
    await station.connect()
    future = station.start_call("Heartbeat")
    station.abort()
    with pytest.raises(ConnectionGone):
        await future
    assert await station.closed_with() == 1006
    with pytest.raises(StationError, match="not connected"):
        station.send_raw("x")
    await station.connect()
    assert (await station.call("Heartbeat")).payload
    await station.close()
    assert station.close_code == 1000


async def test_answers_may_be_held(csms: Csms) -> None:
    """A call of the CSMS is kept for the test, and its answer as long as the test wants."""
    async with Station(csms.url, "CP1") as station:
        await station.call("Heartbeat")
        station.hold = True
        import asyncio

        asked = asyncio.create_task(csms.peers["CP1"].call(call.ClearCache()))
        got = await station.next_call()
        station.answer(got, {"status": "Accepted"})
        assert (got.action, asked.done()) == ("ClearCache", False)
        station.release()
        assert (await asked).status == "Accepted"


async def test_refusal(csms: Csms) -> None:
    """A refused upgrade tells its status."""
    csms.refuse_with = 401
    with pytest.raises(Refused) as caught:
        await Station(csms.url, "CP1", password=b"wrong").connect()
    assert caught.value.status == 401
