"""Who of a campaign may begin now, and whether it must stop. Pure."""

from __future__ import annotations

import msgspec

from shared.records.firmware import CampaignNow


class Verdict(msgspec.Struct, frozen=True):
    """What a campaign may do now."""

    begin: int = 0
    """Stations that may begin, those that were put off or failed before among them."""
    fresh: int = 0
    """Of these, at most so many that have not been tried."""
    stop: str = ""
    """Why it must stop."""
    canaries_done: bool = False
    """All canaries have ended just now."""
    waits: str = ""
    """What it waits for, for people."""


def decide(now: CampaignNow, at: int) -> Verdict:
    """Return what a running campaign may do at `at` (ms)."""
    campaign, places, outcomes = now.campaign, now.places, now.outcomes
    failed = outcomes["failed"] - now.base_failed
    ended = outcomes["updated"] - now.base_updated + failed
    if campaign.canary and not now.canary_at:
        if failed > campaign.canary_failures:
            return Verdict(stop=f"{failed} of {campaign.canary} canaries failed")
        return _canaries(now, at)
    if ended >= campaign.failure_sample and failed * 100 > campaign.max_failure_percent * ended:
        return Verdict(stop=f"{failed} of {ended} stations failed")
    if not campaign.windows.is_open(at):
        return Verdict(waits="a maintenance window")
    if at < now.canary_at + campaign.soak_s * 1000:
        return Verdict(waits="the canaries' time of probation")
    if places["active"]:
        return Verdict(waits="its batch")
    return Verdict(begin=campaign.batch, fresh=campaign.batch)


def _canaries(now: CampaignNow, at: int) -> Verdict:
    """Let the first stations begin; done once as many have ended, or nobody is left."""
    campaign, places = now.campaign, now.places
    over = now.outcomes["updated"] + now.outcomes["failed"]
    under_way = places["active"] + places["resting"]
    left = places["waiting"] + places["offline"]
    if not under_way and (over >= campaign.canary or not left):
        return Verdict(canaries_done=True)
    if not campaign.windows.is_open(at):
        return Verdict(waits="a maintenance window")
    fresh = max(campaign.canary - over - under_way, 0)
    return Verdict(begin=places["resting"] + fresh, fresh=fresh, waits="its canaries")
