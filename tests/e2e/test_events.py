"""The event feed: whoever comes back goes on where they were, on any edge; who was away too long is told of the gap."""

from __future__ import annotations

from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System
from tests.e2e.feed import Event, follow

LONG_AGO = "1-0.0"
"""A position that was in the stream when nobody who reads this was born."""


def _back(event: Event) -> bool:
    return event.type == "connector.status" and event.body["previous"] == "Finishing"


async def test_resume_on_another_edge(system: System, ledger: LedgerFile) -> None:
    """A listener that reconnects elsewhere with Last-Event-ID gets what it missed: all of it, in order, once."""
    charger = Charger(system.station_urls, "FEED", ledger)
    await charger.connect()
    await charger.boot()
    async with follow(system.operator(0), station_id="FEED") as first:
        await charger.charge()
        last = await first.until(lambda event: event.type == "transaction.started")
    await charger.charge()
    async with follow(system.operator(1), after=last.position, station_id="FEED") as second:
        for _ in range(2):
            await second.until(_back)
    told = [event.body["id"] for event in (*first.seen, *second.seen)]
    stored = [one["id"] for one in system.operator().events("FEED")]
    begin = stored.index(told[0])
    assert told == stored[begin:]
    assert len(set(told)) == len(told)
    await charger.leave()


async def test_a_reader_behind_the_retention(system: System, ledger: LedgerFile) -> None:
    """A listener whose position was trimmed away gets a gap event first, then what is left."""
    charger = Charger(system.station_urls, "GAP", ledger)
    await charger.connect()
    await charger.boot()
    client = system.valkey.client()
    last = client.xinfo_stream("events")["last-generated-id"]
    await charger.charge()
    # As the job does with what is older than the retention; other stations may say something at any time.
    client.xtrim("events", minid=last, approximate=False)
    async with follow(system.operator(1), after=LONG_AGO, station_id="GAP") as feed:
        await feed.until(_back)
    assert feed.seen[0].type == "gap"
    await charger.leave()
