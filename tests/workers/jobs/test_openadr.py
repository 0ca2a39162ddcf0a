"""A virtual end node of OpenADR 3 against a small VTN: events, prices, tokens, reports; what they mean here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus import keys
from shared.bus.clock import now_ms
from shared.bus.lane import Lane, LaneLost
from shared.records.packing import pack
from shared.records.prices import PriceInterval, Prices
from shared.records.queries import demand, prices, sites
from shared.records.sites import Amount, Circuit, Site
from shared.records.stations import StationRecord
from shared.settings import Settings
from shared.settings.secret import Secret
from tests.support import wait_until
from tests.vtn import LittleVtn, vtn_event
from workers.jobs.demand import oadr, runner
from workers.jobs.demand.oadr import OadrEvent
from workers.jobs.demand.openadr import Ven
from workers.jobs.demand.runner import Conductor
from workers.jobs.demand.vtn import Vtn, VtnError

AT = 4_070_908_800_000
"""2099-01-01T00:00:00Z."""
HOUR_MS = 3_600_000
LEVELS = (67, 33, 0)


def read(event: dict[str, Any]) -> OadrEvent:
    """Return an event as the VEN reads it."""
    return msgspec.convert(event, OadrEvent, strict=False)


@pytest.mark.parametrize(
    ("event", "limits"),
    [
        (vtn_event("SIMPLE", 0, 1, 3), [("curtail", None, 67), ("curtail", None, 0)]),
        (vtn_event("IMPORT_CAPACITY_LIMIT", 40.5, units="KW"), [("curtail", 40_500, None)]),
        (vtn_event("DISPATCH_SETPOINT", 8), [("curtail", 8000, None)]),
        (vtn_event("DISPATCH_SETPOINT_RELATIVE", -5, 5, units="KW"), [("shed", 5000, None)]),
        (vtn_event("IMPORT_CAPACITY_LIMIT", 40, units="CELSIUS"), []),
        (vtn_event("EXPORT_CAPACITY_LIMIT", 40, units="KW"), []),
        (vtn_event("SIMPLE", "2", None, True, float("nan"), float("inf")), []),
    ],
)
def test_what_payloads_mean(event: dict[str, Any], limits: list[tuple[str, int | None, int | None]]) -> None:
    """Levels, setpoints and limits of capacity become limits; what means nothing here is passed over."""
    found = oadr.wanted(read(event), LEVELS, AT)
    assert [(one.kind, one.amount.watts if one.amount else None, one.percent) for one in found] == limits


def test_when_intervals_are() -> None:
    """One after the other from the event's start, or when they say themselves; "now" is when it was told."""
    follow = oadr.wanted(read(vtn_event("DISPATCH_SETPOINT", 1, 2)), LEVELS, 5)
    assert [(one.start_at, one.end_at) for one in follow] == [(AT, AT + HOUR_MS), (AT + HOUR_MS, AT + 2 * HOUR_MS)]
    own = vtn_event("DISPATCH_SETPOINT", 1)
    own["intervals"][0]["intervalPeriod"] = {"start": "2099-01-01T05:00:00+01:00", "duration": "P1DT30M"}
    (found,) = oadr.wanted(read(own), LEVELS, 5)
    assert (found.start_at, found.end_at) == (AT + 4 * HOUR_MS, AT + 28 * HOUR_MS + HOUR_MS // 2)
    for start in ("0001-01-01T00:00:00Z", "0000-00-00"):
        now = vtn_event("DISPATCH_SETPOINT", 1, intervalPeriod={"start": start, "duration": "P9999Y"})
        (found,) = oadr.wanted(read(now), LEVELS, 5)
        assert (found.start_at, found.end_at) == (5, 5 + oadr.FOR_EVER_MS)
        now["createdDateTime"] = "2099-01-01T00:00:00Z"
        assert oadr.wanted(read(now), LEVELS, 5)[0].start_at == AT
    assert not oadr.wanted(
        read(vtn_event("SIMPLE", 1, intervalPeriod={"start": "soon", "duration": "PT1H"})), LEVELS, 5
    )
    assert not oadr.wanted(read(vtn_event("SIMPLE", 1, intervalPeriod=None)), LEVELS, 5)


def test_prices_are_per_kwh() -> None:
    """Prices of a MWh are converted; of what is no energy none are read."""
    currency, found = oadr.prices(
        read(
            vtn_event("PRICE", 120, 95.5)
            | {"payloadDescriptors": [{"payloadType": "PRICE", "units": "MWH", "currency": "EUR"}]}
        ),
        AT,
    )
    assert (currency, [round(one.price, 4) for one in found]) == ("EUR", [0.12, 0.0955])
    assert oadr.prices(read(vtn_event("PRICE", 1, units="KW")), AT) == ("", [])


def test_whom_an_event_is_about() -> None:
    """Targets of 3.0 and of 3.1; an event for another VEN is none of ours."""
    both = [{"type": "VEN_NAME", "values": ["a", "me"]}, {"type": "GROUP", "values": ["north"]}]
    assert oadr.target_of(read(vtn_event("SIMPLE", 1, targets=both)), "me") == oadr.Target((), ("north",))
    assert oadr.target_of(read(vtn_event("SIMPLE", 1, targets=both[:1])), "you") is None
    texts = read(vtn_event("SIMPLE", 1, targets=["depot", "group:south"]))
    assert oadr.target_of(texts, "me") == oadr.Target(("depot",), ("south",))
    assert oadr.target_of(read(vtn_event("SIMPLE", 1)), "me") == oadr.Target()


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.sampled_from(("SIMPLE", "PRICE", "PT1H")),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(("type", "values", "start", "duration", "id")), inner, max_size=4)
        ),
        max_leaves=8,
    ),
    st.sampled_from(("intervalPeriod", "intervals", "targets", "payloadDescriptors", "createdDateTime")),
)
def test_nonsense_is_refused_or_means_nothing(nonsense: Any, field: str) -> None:
    """Whatever stands in an event, reading it raises a validation error or gives limits that end after they begin."""
    try:
        event = read(vtn_event("SIMPLE", 1) | {field: nonsense})
    except msgspec.ValidationError:
        return
    assert all(one.end_at > one.start_at for one in oadr.wanted(event, LEVELS, AT))
    oadr.prices(event, AT)
    oadr.target_of(event, "me")
    oadr.fingerprint(event)


@pytest.fixture
async def vtn() -> AsyncIterator[LittleVtn]:
    """A VTN that listens."""
    async with LittleVtn().serving() as little:
        yield little


@pytest.fixture
def known(settings: Settings, vtn: LittleVtn) -> Settings:
    """Settings that name the VTN."""
    return msgspec.structs.replace(
        settings, openadr_url=vtn.url, openadr_client_id="me", openadr_client_secret=Secret("secret"),
        openadr_program="p1", openadr_ven_name="me", openadr_poll_s=0.01,
    )  # fmt: skip


async def test_the_vtn_is_asked(known: Settings, vtn: LittleVtn) -> None:
    """Page by page with a token that is renewed when it is refused; an odd event spoils no other; errors have words."""
    vtn.events = [vtn_event("SIMPLE", 1, id=f"e{n}") for n in range(70)] + [{"id": 5, "intervals": "none"}]
    client = Vtn(known)
    try:
        events, odd = await client.events()
        assert (len(events), odd, vtn.tokens) == (70, 1, 1)
        assert vtn.asked[1] == {"skip": "50", "limit": "50", "programID": "p1"}
        vtn.tokens += 1  # The token of before is good no more.
        assert len((await client.events())[0]) == 70
        vtn.fails = True
        with pytest.raises(VtnError, match="GET /events answered no JSON"):
            await client.events()
        nobody = Vtn(msgspec.structs.replace(known, openadr_client_secret=Secret("wrong")))
        with pytest.raises(VtnError, match="no token: answered 401"):
            await nobody.events()
        await nobody.close()
    finally:
        await client.close()


async def test_events_follow_the_vtn(known: Settings, lane: Lane, vtn: LittleVtn) -> None:
    """New ones are made, the same makes nothing twice, changed ones are made anew, and gone ones are cancelled."""
    await sites.put(lane, Site(name="depot", circuits=(Circuit(name="main", capacity=Amount(watts=90_000)),)))
    ven = Ven(lane, known)
    depot = [{"type": "RESOURCE_NAME", "values": ["depot/main", "nowhere"]}]
    event = vtn_event("IMPORT_CAPACITY_LIMIT", 40, 30, units="KW", targets=depot)
    spread = vtn_event("SIMPLE", 2, id="e2")
    for _ in range(2):
        await ven.take([read(event), read(spread)], AT - HOUR_MS)
    found = {one.event.source_id: one.event for one in await demand.active(lane)}
    assert {name: (one.site, one.circuit, one.amount, one.percent) for name, one in found.items()} == {
        "e1/0": ("depot", "main", Amount(watts=40_000), None),
        "e1/1": ("depot", "main", Amount(watts=30_000), None),
        "e2/0": ("", "", None, 33),
    }
    event["intervals"] = event["intervals"][:1]
    event["intervals"][0]["payloads"][0]["values"] = [20]
    await ven.take([read(event)], AT - HOUR_MS)
    states = {(one.event.source_id, one.event.amount): one.state for one in await demand.active(lane)}
    assert sorted(states.values()) == ["cancelled"] * 3 + ["scheduled"]
    assert states["e1/0", Amount(watts=20_000)] == "scheduled"


async def test_prices_follow_the_vtn(known: Settings, lane: Lane) -> None:
    """They are of the areas, or of the sites' areas, that are named; changed or gone they are taken back."""
    await sites.put(
        lane, Site(name="depot", circuits=(Circuit(name="main", capacity=Amount(watts=1)),), price_area="B")
    )
    own = Prices(intervals=(PriceInterval(AT - HOUR_MS, AT + 2 * HOUR_MS, 0.5),), currency="EUR")
    await prices.put(lane, own, now=AT - HOUR_MS, kept_ms=0)
    ven = Ven(lane, known)

    async def told(area: str = "default") -> list[float]:
        found = await prices.prices(lane, area)
        return [one.price for one in found.intervals] if found is not None else []

    def event(*values: float, **targets: list[str]) -> OadrEvent:
        whom = [{"type": name, "values": values} for name, values in targets.items()]
        return read(vtn_event("PRICE", *values, units="KWH", targets=whom))

    await ven.take([event(0.3, 0.2)], AT - HOUR_MS)
    assert await told() == [0.5, 0.3, 0.2]
    await ven.take([event(0.3)], AT - HOUR_MS)
    assert await told() == [0.5, 0.3, 0.5], "the second hour is taken back: what it covered holds again"
    await ven.take([event(0.3, VEN_NAME=["somebody else"])], AT - HOUR_MS)
    assert await told() == [0.5], "prices of another VEN are none of ours"
    await ven.take([event(0.1, SERVICE_AREA=["A", "no/area"])], AT - HOUR_MS)
    await ven.take([event(0.2, RESOURCE_NAME=["depot", "nowhere"])], AT - HOUR_MS)
    assert (await told(), await told("A"), await told("B")) == ([0.5], [], [0.2])
    with patch.object(prices, "put", side_effect=LaneLost("gone")), pytest.raises(LaneLost):
        await ven.take([event(0.7)], AT - HOUR_MS)
    await ven.take([], AT + HOUR_MS // 2)
    assert (await told(), await told("B")) == ([0.5], [])


async def test_an_event_of_the_vtn_runs_and_is_reported(known: Settings, lane: Lane, vtn: LittleVtn) -> None:
    """The conductor reads it, begins and ends it, and the VTN gets what it asked to be told, once."""
    now = int((await lane.one("TIME"))[0]) * 1000
    await lane.one("ZADD", keys.STATIONS, 0, "CP1")
    await lane.one("HSET", keys.state("CP1"), "st", pack(StationRecord(station_id="CP1", created_at=1)))
    lasts = {"start": oadr_time(now - 200_000), "duration": "PT1H"}
    vtn.events = [
        vtn_event(
            "DISPATCH_SETPOINT", 8, units="KW", intervalPeriod=lasts,
            reportDescriptors=[{"payloadType": "USAGE"}, {"payloadType": "BASELINE"}, {"payloadType": "OTHER"}],
        )
    ]  # fmt: skip
    conductor, ahead_ms = Conductor(lane, known, 2, "w1"), 0

    async def time(lane: Lane) -> int:
        return await now_ms(lane) + ahead_ms

    with patch.object(runner, "LATE_MS", 0), patch.object(runner, "now_ms", time):

        async def begun() -> bool:
            await conductor.beat()
            return [one.state for one in await demand.active(lane)] == ["running"]

        await wait_until(begun)
        ahead_ms = HOUR_MS

        async def reported() -> bool:
            await conductor.beat()
            return bool(vtn.reports)

        await wait_until(reported)
        await conductor.beat()
    (report,) = vtn.reports
    assert (report["programID"], report["eventID"], report["clientName"]) == ("p1", "e1", "me")
    (resource,) = report["resources"]
    assert [one["type"] for one in resource["intervals"][0]["payloads"]] == ["USAGE", "BASELINE"]
    await conductor._ven.close()


def oadr_time(ms: int) -> str:
    """Return a time as a VTN writes it."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
