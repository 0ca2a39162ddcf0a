"""Stations of a campaign from one place to the next: begun, put off, tried again; the rest is `workers.jobs.works`."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from shared import metrics
from shared.bus import firmware_keys as keys
from shared.bus.lane import Lane
from shared.bus.scripts import REST_STATIONS
from shared.records import files_links
from shared.records.events import CampaignDone
from shared.records.firmware import Campaign, CampaignNow, CampaignPlace, UpdateResult, tries_of
from shared.records.queries import firmware
from shared.records.requests import BeginUpdate, StopUpdate
from shared.settings import Settings
from workers.jobs import works
from workers.jobs.works import CHUNK, Kind, Work, sort_out

COMMAND_MS: Final = 15 * 60_000
"""A command that could not be sent for so long is not sent: the window may be over by then."""
PUT_OFF_MS: Final = 5 * 60_000
"""What was put off is tried again after so long."""
LINK_MARGIN_S: Final = 3600


class Site(works.Site, frozen=True):
    """What works need, and what links are signed with."""

    settings: Settings
    link_key: bytes


WORK: Final = Kind(
    records=firmware.WORKS,
    runner=keys.CAMPAIGNS_RUNNER,
    over=keys.CAMPAIGNS_ENDED,
    results=keys.campaign_results,
    ended=keys.campaign_ended,
    others=(keys.campaign_tries,),
    waits=("waiting", "offline", "resting"),
    result=UpdateResult,
    counted=metrics.CAMPAIGN_RESULTS,
)


def of(lane: Lane, campaign: Campaign) -> Work[UpdateResult]:
    """Return the stations of a campaign."""
    return Work(WORK, lane, campaign.campaign_id)


async def begin(site: Site, now: CampaignNow, count: int, fresh: int, at: int) -> int:
    """Begin up to `count` stations that are online, those that rest first; returns how many were begun."""
    lane, campaign = site.lane, now.campaign
    work = of(lane, campaign)
    begun = 0
    place = keys.campaign_place(campaign.campaign_id, "resting")
    due = await lane.one("ZRANGE", place, "-inf", at, "BYSCORE", "LIMIT", 0, count)
    resting = [name.decode() for name in due]
    if resting:
        online, offline, unknown = await sort_out(lane, resting)
        await work.move("resting", "offline", offline)
        await work.refuse(unknown, at)
        begun += await _start(site, now, "resting", online, count, at)
    wanted = min(count - begun, fresh)
    if wanted > 0:
        begun += await _start(site, now, "waiting", await work.choose(wanted, at), count, at)
    return begun


async def _start(
    site: Site, now: CampaignNow, source: CampaignPlace, stations: Sequence[str], count: int, at: int
) -> int:
    begun, campaign = 0, now.campaign
    most = now.places["active"] + count
    for first in range(0, len(stations), CHUNK):
        some = stations[first : first + CHUNK]
        tries = await site.lane.one("HMGET", keys.campaign_tries(campaign.campaign_id), *some)
        turns = zip(some, map(tries_of, tries), strict=True)
        requests = [(name, _request(site, campaign, name, turn, at)) for name, turn in turns]
        done = await of(site.lane, campaign).start(site, source, requests, most, at)
        if done < 0:
            break
        begun += done
    return begun


def _request(site: Site, campaign: Campaign, station_id: str, tries: tuple[int, int], at: int) -> BeginUpdate:
    turn, attempt = tries
    image, settings = campaign.image, site.settings
    jitter_ms = zlib.crc32(f"{station_id}:{turn}".encode()) % (campaign.jitter_s * 1000) if campaign.jitter_s else 0
    location = image.location
    if image.file_id:
        lasts_s = max(settings.transfer_link_s, campaign.stage_timeout_s + campaign.jitter_s + LINK_MARGIN_S)
        name = f"{campaign.campaign_id}:{station_id}:{turn}"
        link = files_links.make("get", image.file_id, station_id, at + lasts_s * 1000, name)
        token = files_links.sign(site.link_key, link)
        location = files_links.url(files_links.base_url(settings), token, image.file_name)
    closes_at = campaign.windows.changes_at(at) or campaign.expires_at
    return BeginUpdate(
        request_id=f"{campaign.origin}:{station_id}:{turn}",
        by=campaign.created_by,
        campaign_id=campaign.campaign_id,
        turn=turn,
        attempt=attempt,
        version=image.version,
        location=location,
        signature=image.signature,
        signing_certificate=image.signing_certificate,
        mode=campaign.signed,
        only_idle=campaign.only_idle,
        retrieve_in_ms=jitter_ms,
        expires_in_ms=max(min(COMMAND_MS, closes_at - at, campaign.expires_at - at), 1),
        stage_timeout_ms=campaign.stage_timeout_s * 1000,
        boot_timeout_ms=campaign.boot_timeout_s * 1000,
    )


async def take_in(lane: Lane, campaign: Campaign, results: Iterable[tuple[str, UpdateResult]], at: int) -> int:
    """Take in what came of attempts: ended, or to be tried again; returns how many have ended."""
    final: list[tuple[str, UpdateResult]] = []
    again: list[Any] = []
    for station, result in results:
        next_attempt, wait_ms = result.attempt, 0
        if result.outcome == "failed" and result.attempt < campaign.attempts:
            next_attempt, wait_ms = result.attempt + 1, campaign.retry_wait_s * 1000
        elif result.outcome == "put_off":
            wait_ms = PUT_OFF_MS
        else:
            final.append((station, result))
            continue
        again += (station, f"{result.turn}:{result.attempt}", at + wait_ms, f"{result.turn + 1}:{next_attempt}")
    if again:
        number = campaign.campaign_id
        touched = [keys.campaign_place(number, "active"), keys.campaign_place(number, "resting")]
        touched += [keys.campaign_tries(number), keys.campaign_ended(number)]
        await lane.one(*REST_STATIONS.command(touched, again))
    return await of(lane, campaign).settle(final)


async def take_back(site: Site, campaign: Campaign) -> int:
    """Ask each station that is active to cancel what was not sent; returns how many were asked. May be repeated."""
    stop = StopUpdate(request_id=f"{campaign.origin}:stop", by=campaign.origin, campaign_id=campaign.campaign_id)
    return await of(site.lane, campaign).ask(site, "active", lambda _: stop)


async def finish(lane: Lane, now: CampaignNow, at: int) -> bool:
    """End a campaign whose stations have all ended; False where one has not."""
    number = now.campaign.campaign_id
    event = CampaignDone(
        station_id="",
        at=at,
        id=f"campaign:{number}:done:{now.changed_at}",
        campaign_id=number,
        state="cancelled" if now.state == "cancelled" else "done",
        total=now.campaign.total,
        outcomes={name: count for name, count in now.outcomes.items() if count},
    )
    return await of(lane, now.campaign).finish(at, event)
