"""Firmware: images and campaigns, written and listed; the stations of a campaign. No station's state, so no commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from shared.bus import firmware_keys as keys
from shared.bus import keys as station_keys
from shared.bus.lane import Command, Lane
from shared.bus.scripts import REVIVE_STATIONS
from shared.records.events import CampaignChanged, CampaignCreated, Event
from shared.records.firmware import (
    OUTCOMES,
    PLACES,
    Campaign,
    CampaignNow,
    CampaignPlace,
    CampaignState,
    Image,
    UpdateOutcome,
    UpdateResult,
    Updating,
    tries_of,
)
from shared.records.packing import pack, unpack
from shared.records.works import turn_of

from .reading import replies
from .works import CHUNK, AtStation, Change, Made, Works

MAX_ACTIVE: Final = 50
"""Campaigns that have not ended, at a time."""
MAX_IMAGES: Final = 1000
FROM: Final[dict[CampaignState, tuple[CampaignState, ...]]] = {
    "paused": ("running",),
    "stopped": ("running",),
    "running": ("paused", "stopped"),
    "cancelled": ("running", "paused", "stopped"),
}
"""State -> the states from which a campaign may come there."""


class StationUpdate(AtStation[CampaignPlace, UpdateResult], frozen=True):
    """Where a station of a campaign is, or what came of it."""

    update: Updating | None = None
    """Of one that is active: what is under way."""
    attempt: int = 1
    due_at: int = 0
    """Of one that rests: when it may begin again (ms)."""


# ── images ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def images(lane: Lane) -> list[Image]:
    """Return every image, the newest first."""
    found = [unpack(packed, Image) for packed in await lane.one("HVALS", keys.IMAGES)]
    return sorted(found, key=lambda one: (-one.created_at, one.image_id))


async def image(lane: Lane, image_id: str) -> Image | None:
    """Return an image, or None where it is not known."""
    packed = await lane.one("HGET", keys.IMAGES, image_id)
    return unpack(packed, Image) if packed is not None else None


async def put_image(lane: Lane, one: Image) -> None:
    """Write an image."""
    await lane.one("HSET", keys.IMAGES, one.image_id, pack(one))


async def delete_image(lane: Lane, image_id: str) -> None:
    """Forget an image; its file is the caller's."""
    await lane.one("HDEL", keys.IMAGES, image_id)


async def in_use(lane: Lane, image_id: str) -> str:
    """Return a campaign under way that brings this image; empty for none."""
    active = [one.decode() for one in await lane.one("HKEYS", keys.CAMPAIGNS_ACTIVE)]
    found = await campaigns(lane, active)
    return next((one.campaign.campaign_id for one in found if one and one.campaign.image.image_id == image_id), "")


# ── campaigns ────────────────────────────────────────────────────────────────────────────────────────────────────────


WORKS: Final = Works(
    nouns="campaigns",
    index=keys.CAMPAIGNS,
    active=keys.CAMPAIGNS_ACTIVE,
    key=keys.campaign,
    stations=keys.campaign_stations,
    place=keys.campaign_place,
    request=keys.campaign_request,
    places=PLACES,
    outcomes=OUTCOMES,
    most=MAX_ACTIVE,
    sources=FROM,
    now=lambda fields, shared: CampaignNow(
        campaign=unpack(fields["r"], Campaign),
        reason=fields.get("reason", b"").decode(),
        canary_at=int(fields.get("canary_at", 0)),
        base_updated=int(fields.get("base_updated", 0)),
        base_failed=int(fields.get("base_failed", 0)),
        **shared,
    ),
)
campaign, campaigns, made_by, page = WORKS.one, WORKS.several, WORKS.made_by, WORKS.page


async def create(lane: Lane, campaign: Campaign, stations: Sequence[str], *, state: CampaignState, digest: str) -> str:
    """Make a campaign and return its id: see `Works.create`."""
    number = campaign.campaign_id
    event = CampaignCreated(
        station_id="",
        at=campaign.created_at,
        id=f"campaign:{number}:created",
        campaign_id=number,
        firmware=campaign.image.version,
        total=campaign.total,
        state=state,
        by=campaign.created_by,
    )
    made = Made(number, campaign, campaign.total, campaign.created_at, campaign.created_by, event)
    return await WORKS.create(lane, made, stations, state=state, digest=digest)


async def change(lane: Lane, now: CampaignNow, to: CampaignState, *, at: int, by: str, reason: str = "") -> Change:
    """Pause, resume, stop or cancel; nothing begins any more once this has returned for another than `running`.

    Resumed, failures are counted from now on: whoever resumes has seen those before.
    """
    number = now.campaign.campaign_id
    fields: dict[str, Any] = {"reason": reason}
    if to == "running":
        fields |= {"base_updated": now.outcomes["updated"], "base_failed": now.outcomes["failed"]}
    if now.state in FROM[to]:
        await lane.one("HSET", keys.campaign(number), *(part for pair in fields.items() for part in pair))
    event = changed(msgspec.structs.replace(now, state=to, reason=reason), at=at, by=by)
    return await WORKS.change(lane, number, to, at=at, by=by, event=event)


def changed(now: CampaignNow, *, at: int, by: str = "") -> Event:
    """Return the event that tells how a campaign stands."""
    number = now.campaign.campaign_id
    return CampaignChanged(
        station_id="",
        at=at,
        id=f"campaign:{number}:{now.state}:{now.ended}:{at}",
        campaign_id=number,
        state=now.state,
        total=now.campaign.total,
        ended=now.ended,
        by=by,
        reason=now.reason,
    )


async def stations(
    lane: Lane, campaign_id: str, outcome: UpdateOutcome | CampaignPlace | None, after: str, limit: int
) -> tuple[list[StationUpdate], str]:
    """Return up to `limit` stations of a campaign behind `after`, and the id to go on behind; empty at the end."""

    async def load(ids: list[str]) -> list[StationUpdate]:
        return await _stations(lane, campaign_id, ids)

    return await WORKS.at_stations(lane, campaign_id, load, outcome, after, limit)


async def _stations(lane: Lane, campaign_id: str, ids: Sequence[str]) -> list[StationUpdate]:
    commands: list[Command] = [("ZMSCORE", keys.campaign_place(campaign_id, place), *ids) for place in PLACES]
    commands += [("HMGET", keys.campaign_tries(campaign_id), *ids), ("HMGET", keys.campaign_results(campaign_id), *ids)]
    *places, tries, results = await replies(lane, commands)
    found = []
    for n, station_id in enumerate(ids):
        at = next(((place, scores[n]) for place, scores in zip(PLACES, places, strict=True) if scores[n]), None)
        result = unpack(results[n], UpdateResult) if results[n] is not None else None
        place = at[0] if at and result is None else None
        due_at = int(float(at[1])) if at and place == "resting" else 0
        attempt = result.attempt if result else tries_of(tries[n])[1]
        found.append(StationUpdate(station_id, place, result, None, attempt, due_at))
    return await _with_updates(lane, campaign_id, found)


async def _with_updates(lane: Lane, campaign_id: str, found: list[StationUpdate]) -> list[StationUpdate]:
    """Return them with what is under way at those that are active, and what came of the last try of those that rest."""
    active = [one.station_id for one in found if one.place in ("active", "resting")]
    packed = await replies(lane, [("HGET", station_keys.state(name), "fw") for name in active]) if active else []
    updates = {name: unpack(one, Updating) for name, one in zip(active, packed, strict=True) if one is not None}
    return [
        msgspec.structs.replace(one, update=update)
        if (update := updates.get(one.station_id)) is not None and update.campaign_id == campaign_id
        else one
        for one in found
    ]


async def revive(lane: Lane, now: CampaignNow, *, at: int, by: str) -> int:
    """Let the stations that failed begin anew, with all attempts; the campaign runs again. Returns how many."""
    number = now.campaign.campaign_id
    touched = [keys.campaign(number), keys.campaign_results(number), keys.campaign_place(number, "waiting")]
    touched += [keys.campaign_tries(number), keys.CAMPAIGNS_ACTIVE, keys.CAMPAIGNS_ENDED]
    failed = now.outcomes["failed"]
    await lane.one(
        "HSET", keys.campaign(number), "base_updated", now.outcomes["updated"], "base_failed", 0, "reason", ""
    )
    revived, cursor = 0, ""
    while failed:
        found, cursor = await stations(lane, number, "failed", cursor, CHUNK)
        packed = (
            await lane.one("HMGET", keys.campaign_results(number), *(one.station_id for one in found)) if found else []
        )
        tries = (
            await lane.one("HMGET", keys.campaign_tries(number), *(one.station_id for one in found)) if found else []
        )
        arguments: list[Any] = []
        for one, result, known in zip(found, packed, tries, strict=True):
            turn = tries_of(known)[0] + 1
            arguments += (one.station_id, result, "failed", turn_of(number, one.station_id), f"{turn}:1")
        if arguments:
            revived += max(int(await lane.one(*REVIVE_STATIONS.command(touched, [number, at, by, *arguments]))), 0)
        if not cursor:
            break
    return revived
