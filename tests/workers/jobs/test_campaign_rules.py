"""Who of a campaign may begin: whatever happens at stations, and whoever decides next."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.records.firmware import OUTCOMES, PLACES, Campaign, CampaignNow, Image
from workers.jobs.firmware.deciding import decide

IMAGE = Image(image_id="i", version="2")
STEPS = st.lists(st.sampled_from(["look", "update", "fail", "rest", "offline", "back", "skip"]), max_size=120)


def fresh(total: int, **fields: object) -> CampaignNow:
    """Return a campaign of which nobody has begun."""
    campaign = msgspec.convert(
        {"campaign_id": "c", "image": msgspec.to_builtins(IMAGE), "total": total, **fields}, Campaign
    )
    places = dict.fromkeys(PLACES, 0) | {"waiting": total}
    return CampaignNow(campaign=campaign, state="running", places=places, outcomes=dict.fromkeys(OUTCOMES, 0))


def moved(now: CampaignNow, source: str, to: str, count: int = 1) -> CampaignNow:
    """Return it with stations moved from a place to another, or to an outcome; as many as are there."""
    places, outcomes = dict(now.places), dict(now.outcomes)
    count = min(places[source], count)  # type: ignore[index]
    places[source] -= count  # type: ignore[index]
    (places if to in PLACES else outcomes)[to] += count  # type: ignore[index]
    return msgspec.structs.replace(now, places=places, outcomes=outcomes)


def looked(now: CampaignNow) -> CampaignNow:
    """Return it as a beat leaves it, begun as the verdict allows."""
    verdict = decide(now, 1)
    if verdict.stop:
        return msgspec.structs.replace(now, state="stopped", reason=verdict.stop)
    if verdict.canaries_done:
        return msgspec.structs.replace(now, canary_at=1)
    resting = min(verdict.begin, now.places["resting"])
    now = moved(now, "resting", "active", resting)
    return moved(now, "waiting", "active", min(verdict.begin - resting, verdict.fresh))


def stepped(now: CampaignNow, step: str) -> CampaignNow:
    """Return it after something happened to one station."""
    match step:
        case "look":
            return looked(now)
        case "update":
            return moved(now, "active", "updated")
        case "fail":
            return moved(now, "active", "failed")
        case "rest":
            return moved(now, "active", "resting")
        case "offline":
            return moved(now, "waiting", "offline")
        case "back":
            return moved(now, "offline", "waiting")
        case _:
            return moved(now, "active", "current")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 12), st.integers(0, 3), st.integers(0, 1), st.integers(1, 4), STEPS)
def test_limits_hold(total: int, canary: int, may_fail: int, batch: int, steps: list[str]) -> None:
    """Never more than the canaries before they have ended, never more than a batch after; too many failures stop it."""
    now = fresh(total, canary=canary, canary_failures=may_fail, batch=batch, failure_sample=2, max_failure_percent=50)
    for step in steps:
        if now.state != "running":
            assert decide(now, 1).begin == 0 or now.reason
            break
        now = stepped(now, step)
        tried = now.places["active"] + now.places["resting"] + now.outcomes["updated"] + now.outcomes["failed"]
        if canary and not now.canary_at:
            assert tried <= canary
        else:
            assert now.places["active"] <= max(batch, canary)
        assert sum(now.places.values()) + now.ended == total


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 12), st.integers(0, 3), st.integers(1, 4))
def test_it_comes_to_its_end(total: int, canary: int, batch: int) -> None:
    """Where every station updates nobody is left, after as many looks as it takes."""
    now = fresh(total, canary=canary, batch=batch)
    for _ in range(4 * total + 4):
        now = looked(now)
        now = moved(now, "active", "updated", now.places["active"])
    assert now.outcomes["updated"] == total
