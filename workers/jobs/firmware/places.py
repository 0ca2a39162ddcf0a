"""Stations of a campaign from one place to the next: begun, put off, tried again, set aside, ended."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import msgspec

from shared import envelopes, metrics
from shared.bus import firmware_keys as keys
from shared.bus import keys as station_keys
from shared.bus.lane import Lane
from shared.bus.scripts import FINISH_JOB, MOVE_STATIONS, REST_STATIONS, SETTLE_STATIONS, START_STATIONS
from shared.records import files_links
from shared.records.events import CampaignDone
from shared.records.firmware import (
    PLACES,
    Campaign,
    CampaignNow,
    CampaignPlace,
    UpdateOutcome,
    UpdateResult,
    tries_of,
)
from shared.records.packing import pack
from shared.records.queries.reading import replies
from shared.records.requests import BeginUpdate, Request, StopUpdate
from shared.settings import Settings
from workers.jobs.bulk.places import sort_out
from workers.uplinks import append, asking, uplink_of

CHUNK: Final = 500
LOOKS: Final = 4
"""How often one call looks further where many that wait are offline."""
COMMAND_MS: Final = 15 * 60_000
"""A command that could not be sent for so long is not sent: the window may be over by then."""
PUT_OFF_MS: Final = 5 * 60_000
"""What was put off is tried again after so long."""
LINK_MARGIN_S: Final = 3600


class Site(msgspec.Struct, frozen=True):
    """What all need: the way to Redis, who holds the lease, what links are signed with."""

    lane: Lane
    partitions: int
    holder: str
    settings: Settings
    link_key: bytes

    def uplink(self, station_id: str) -> str:
        """Return the uplink of a station."""
        return uplink_of(station_id, self.partitions)

    def entry(self, station_id: str, request: Request) -> bytes:
        """Return an uplink entry with a request; no node waits for its reply."""
        return envelopes.encode(asking(station_id, request))


async def begin(site: Site, now: CampaignNow, count: int, fresh: int, at: int) -> int:
    """Begin up to `count` stations that are online, those that rest first; returns how many were begun."""
    lane, campaign = site.lane, now.campaign
    begun = 0
    place = keys.campaign_place(campaign.campaign_id, "resting")
    due = await lane.one("ZRANGE", place, "-inf", at, "BYSCORE", "LIMIT", 0, count)
    resting = [name.decode() for name in due]
    if resting:
        online, offline, unknown = await sort_out(lane, resting)
        await move(lane, campaign, "resting", "offline", offline)
        await refuse(lane, campaign, unknown, at)
        begun += await _start(site, now, "resting", online, count, at)
    wanted = min(count - begun, fresh)
    if wanted > 0:
        chosen = await _choose(lane, campaign, wanted, at)
        begun += await _start(site, now, "waiting", chosen, count, at)
    return begun


async def _start(
    site: Site, now: CampaignNow, source: CampaignPlace, stations: Sequence[str], count: int, at: int
) -> int:
    begun, campaign = 0, now.campaign
    most = now.places["active"] + count
    for first in range(0, len(stations), CHUNK):
        some = stations[first : first + CHUNK]
        tries = await site.lane.one("HMGET", keys.campaign_tries(campaign.campaign_id), *some)
        uplinks = sorted({site.uplink(name) for name in some})
        arguments: list[Any] = [site.holder, at, most]
        for name, known in zip(some, tries, strict=True):
            request = _request(site, campaign, name, tries_of(known), at)
            arguments += (name, 5 + uplinks.index(site.uplink(name)), site.entry(name, request))
        places = [keys.campaign_place(campaign.campaign_id, place) for place in (source, "active")]
        touched = [keys.CAMPAIGNS_RUNNER, keys.campaign(campaign.campaign_id), *places, *uplinks]
        done = int(await site.lane.one(*START_STATIONS.command(touched, arguments)))
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


async def _choose(lane: Lane, campaign: Campaign, count: int, at: int) -> list[str]:
    """Return waiting stations that are online, in the campaign's order; those passed over are set aside."""
    chosen: list[str] = []
    waiting = keys.campaign_place(campaign.campaign_id, "waiting")
    for _ in range(LOOKS):
        found = await lane.one("ZRANGE", waiting, len(chosen), len(chosen) + max(count, CHUNK) - 1)
        every = [name.decode() for name in found]
        online, offline, unknown = await sort_out(lane, every)
        wanted = count - len(chosen)
        last = every.index(online[wanted - 1]) if len(online) >= wanted else len(every)
        chosen += online[:wanted]
        passed = set(every[:last])
        await move(lane, campaign, "waiting", "offline", [name for name in offline if name in passed])
        await refuse(lane, campaign, [name for name in unknown if name in passed], at)
        if len(chosen) >= count or len(every) < CHUNK:
            break
    return chosen


async def take_up(lane: Lane, campaign: Campaign, at: int) -> int:
    """Let stations wait for their turn again that were offline and are back; returns how many."""
    back = 0
    async for some in members(lane, campaign, "offline"):
        online, _, unknown = await sort_out(lane, some)
        back += await move(lane, campaign, "offline", "waiting", online)
        await refuse(lane, campaign, unknown, at)
    return back


async def move(
    lane: Lane, campaign: Campaign, source: CampaignPlace, to: CampaignPlace, stations: Sequence[str]
) -> int:
    """Move stations from one place to another; returns how many were there."""
    if not stations:
        return 0
    touched = [keys.campaign_place(campaign.campaign_id, place) for place in (source, to)]
    return int(await lane.one(*MOVE_STATIONS.command(touched, stations)))


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
    return await settle(lane, campaign, final)


async def settle(lane: Lane, campaign: Campaign, results: Iterable[tuple[str, UpdateResult]]) -> int:
    """Count results; returns how many stations had none before."""
    every, counted, number = list(results), 0, campaign.campaign_id
    touched = [keys.campaign(number), keys.campaign_stations(number), keys.campaign_results(number)]
    touched += [keys.campaign_ended(number), *(keys.campaign_place(number, place) for place in PLACES)]
    for first in range(0, len(every), CHUNK):
        arguments: list[Any] = []
        for station, result in every[first : first + CHUNK]:
            arguments += (station, result.outcome, pack(result))
        for outcome in await lane.one(*SETTLE_STATIONS.command(touched, arguments)):
            metrics.CAMPAIGN_RESULTS.labels(outcome.decode()).inc()
            counted += 1
    return counted


async def refuse(lane: Lane, campaign: Campaign, stations: Sequence[str], at: int) -> None:
    """Give stations that are no more their result."""
    refused = UpdateResult(outcome="refused", at=at, detail="no such station")
    await settle(lane, campaign, [(name, refused) for name in stations])


async def end_waiting(lane: Lane, campaign: Campaign, outcome: UpdateOutcome, at: int) -> int:
    """Give every station that is not active its result; returns how many."""
    ended = 0
    result = UpdateResult(outcome=outcome, at=at, detail="not begun")
    for place in ("waiting", "offline", "resting"):
        while found := await lane.one("ZRANGE", keys.campaign_place(campaign.campaign_id, place), 0, CHUNK - 1):
            ended += await settle(lane, campaign, [(name.decode(), result) for name in found])
    return ended


async def take_back(site: Site, campaign: Campaign) -> int:
    """Ask each station that is active to cancel what was not sent; returns how many were asked. May be repeated."""
    asked = 0
    stop = StopUpdate(request_id=f"{campaign.origin}:stop", by=campaign.origin, campaign_id=campaign.campaign_id)
    async for some in members(site.lane, campaign, "active"):
        await replies(site.lane, [append(asking(name, stop), site.partitions) for name in some])
        asked += len(some)
    return asked


async def members(lane: Lane, campaign: Campaign, place: CampaignPlace) -> AsyncIterator[list[str]]:
    """Yield the stations at a place, all that were there at the beginning, in chunks."""
    everything = await lane.one("ZRANGE", keys.campaign_place(campaign.campaign_id, place), 0, -1)
    for first in range(0, len(everything), CHUNK):
        yield [name.decode() for name in everything[first : first + CHUNK]]


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
    touched = [keys.campaign(number), keys.CAMPAIGNS_ACTIVE, keys.CAMPAIGNS_ENDED, station_keys.EVENTS]
    touched += [keys.campaign_place(number, place) for place in PLACES]
    return bool(await lane.one(*FINISH_JOB.command(touched, [number, at, pack([event])])))
