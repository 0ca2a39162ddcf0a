"""What a simulated station makes of its profiles against what Ampstream computes: two readings of one standard."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampstream.simulate.drawlog import DrawLog
from ampstream.simulate.models import BY_NAME
from shared.records.profiles import Kind, Period, Profile, Purpose, slot_of
from shared.smartcharging.composite import Situation, limit_at
from tests.ampstream.simulate.played import EPOCH_MS, Played
from workers.handlers.v16.charging_profiles import install

REACTION_S = 6
"""A second of the station and up to four of the car, and one for looking once a second."""
HOUR = 3600


@st.composite
def profiles(draw: st.DrawFn) -> list[Profile]:
    """Return profiles in A of one connector and of the station, each in a place of its own."""
    made: dict[str, Profile] = {}
    for number in range(1, draw(st.integers(1, 5)) + 1):
        purpose: Purpose = draw(st.sampled_from(("station_max", "default", "default", "transaction")))
        kind: Kind = draw(st.sampled_from(("absolute", "recurring", "relative")))
        if purpose == "station_max" and kind == "relative":
            kind = "absolute"
        starts = [0, *sorted(draw(st.sets(st.integers(1, HOUR), max_size=3)))]
        start = EPOCH_MS + draw(st.integers(-30 * HOUR, HOUR)) * 1000
        since = draw(st.none() | st.integers(-HOUR, HOUR))
        profile = Profile(
            profile_id=number,
            purpose=purpose,
            kind=kind,
            unit="A",
            periods=tuple(Period(one, draw(st.integers(0, 40)) * 10) for one in starts),
            connector_id={"station_max": 0, "transaction": 1}.get(purpose, draw(st.integers(0, 1))),
            stack_level=draw(st.integers(0, 3)),
            recurrence=draw(st.sampled_from(("daily", "weekly"))) if kind == "recurring" else None,
            start_at=None if kind == "relative" else start,
            duration_s=draw(st.none() | st.integers(1, 2 * HOUR)),
            valid_from=None if since is None else EPOCH_MS + since * 1000,
            valid_to=None if since is None else EPOCH_MS + (since + draw(st.integers(1, 2 * HOUR))) * 1000,
        )
        made[slot_of(profile)] = profile
    return list(made.values())


@settings(max_examples=40)
@given(profiles(), st.lists(st.integers(1, 900), min_size=3, max_size=8))
def test_a_station_and_ampstream_read_the_same(held: list[Profile], steps: list[int]) -> None:
    """At any moment both allow the same, and what the car truly draws is no more, but for its reaction."""
    played, log = Played(model=BY_NAME["Home 11"]), DrawLog()
    played.world.draws = log
    played.started()
    played.ask("RemoteStartTransaction", idTag="T", connectorId=1)
    connector = played.cp.connectors[0]
    played.until(lambda: connector.session is not None)
    session, phases = connector.session, 3
    assert session is not None
    for profile in held:
        action, payload = install(profile)
        assert played.status(action, **payload) == "Accepted"
    schedules = played.cp.schedules
    assert schedules is not None
    for seconds in steps:
        played.run(seconds)
        if connector.session is not session:
            return
        now = played.world.wall_ms()
        ours = [_allowed(held, session.started_ms, now - back * 1000) for back in range(REACTION_S + 1)]
        theirs = schedules.allowed(1, phases)[0].amps
        assert theirs == pytest.approx(ours[0])
        if seconds > REACTION_S:
            most = max(one if one >= 6 else 0.0 for one in ours)
            assert max(log.amps(played.cp.station_id, now)) <= most + 1e-6


def _allowed(held: list[Profile], started_ms: int, at: int) -> float:
    """Return what Ampstream says that the connector's car may draw, A."""
    situation = Situation(
        connector_id=1, since=at, until=at + 1000, unit="A", transaction_id=1, charging_since=started_ms
    )
    found = limit_at(held, situation, at)
    return math.inf if found is None else found.limit / 10
