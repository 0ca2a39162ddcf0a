"""Firmware: images and campaigns, written and listed; the stations of a campaign. No station's state, so no commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import msgspec

from shared.bus import firmware_keys as keys
from shared.bus import keys as station_keys
from shared.bus.lane import Command, Lane
from shared.bus.scripts import CHANGE_JOB, CREATE_JOB, REVIVE_STATIONS
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
    turn_order,
)
from shared.records.packing import pack, unpack

from .cursors import Position
from .reading import SCAN_BUDGET, names, page_of, replies, walk

CHUNK: Final = 500
MAX_ACTIVE: Final = 50
"""Campaigns that have not ended, at a time."""
MAX_IMAGES: Final = 1000
STAGED_S: Final = 600
REQUEST_KEPT_MS: Final = 24 * 3600 * 1000
FROM: Final[dict[CampaignState, tuple[CampaignState, ...]]] = {
    "paused": ("running",),
    "stopped": ("running",),
    "running": ("paused", "stopped"),
    "cancelled": ("running", "paused", "stopped"),
}
"""State -> the states from which a campaign may come there."""

Change = Literal["changed", "unchanged", "conflict", "missing"]


class StationUpdate(msgspec.Struct, frozen=True):
    """Where a station of a campaign is, or what came of it."""

    station_id: str
    place: CampaignPlace | None
    result: UpdateResult | None
    update: Updating | None = None
    """Of one that is active: what is under way."""
    attempt: int = 1
    due_at: int = 0
    """Of one that rests: when it may begin again (ms)."""


class TooManyError(Exception):
    """So many campaigns are under way that no other is taken."""


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


async def create(lane: Lane, campaign: Campaign, stations: Sequence[str], *, state: CampaignState, digest: str) -> str:
    """Make a campaign and return its id; a repetition of the same request (`digest`) gets the first one's.

    Raises `TooManyError`. The stations are written first, under a TTL: a campaign that is there has all of them.
    """
    number = campaign.campaign_id
    staged = keys.campaign_stations(number), keys.campaign_place(number, "waiting")
    for begin in range(0, len(stations), CHUNK):
        await replies(lane, _staging(number, stations[begin : begin + CHUNK], staged))
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
    touched = [keys.campaign(number), *staged, keys.campaign_request(digest)]
    touched += [keys.CAMPAIGNS, keys.CAMPAIGNS_ACTIVE, station_keys.EVENTS]
    about: list[str | int | bytes] = [number, campaign.created_at, state, campaign.created_by, pack(campaign)]
    limits = [campaign.total, MAX_ACTIVE, REQUEST_KEPT_MS]
    result, found = await lane.one(*CREATE_JOB.command(touched, [*about, *limits, pack([event])]))
    if result == 3:
        raise TooManyError(f"{found} campaigns are under way; that is the most")
    if result == 4:
        raise RuntimeError(f"campaign {number}: {found} of {campaign.total} stations were staged")
    return str(found.decode())


async def made_by(lane: Lane, digest: str) -> str:
    """Return the id of the campaign that a request made before; empty where it made none."""
    found = await lane.one("GET", keys.campaign_request(digest))
    return found.decode() if found else ""


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
    touched = [keys.campaign(number), keys.CAMPAIGNS_ACTIVE, station_keys.EVENTS]
    reply = await lane.one(*CHANGE_JOB.command(touched, [number, to, at, by, pack([event]), *FROM[to]]))
    results: dict[int, Change] = {1: "changed", 2: "unchanged", 3: "conflict", 4: "missing"}
    return results[reply[0]]


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


async def campaign(lane: Lane, campaign_id: str) -> CampaignNow | None:
    """Return a campaign, or None where it is not known."""
    return (await campaigns(lane, [campaign_id]))[0]


async def campaigns(lane: Lane, campaign_ids: Sequence[str]) -> list[CampaignNow | None]:
    """Return the campaigns of these ids in their order, None for what is not known; one round trip."""
    commands = [command for one in campaign_ids for command in reading(one)]
    found = await replies(lane, commands) if commands else []
    step = 1 + len(PLACES)
    return [read(found[n : n + step]) for n in range(0, len(found), step)]


def reading(campaign_id: str) -> list[Command]:
    """Return the commands whose replies `read` makes a campaign of."""
    places: list[Command] = [("ZCARD", keys.campaign_place(campaign_id, place)) for place in PLACES]
    return [("HGETALL", keys.campaign(campaign_id)), *places]


def read(found: Sequence[Any]) -> CampaignNow | None:
    """Return a campaign from what Redis holds; None where it holds nothing."""
    pairs, *counts = found
    fields = {name.decode(): value for name, value in zip(pairs[::2], pairs[1::2], strict=True)}
    if "r" not in fields:
        return None
    return CampaignNow(
        campaign=unpack(fields["r"], Campaign),
        state=cast("CampaignState", fields["state"].decode()),
        changed_at=int(fields["changed_at"]),
        changed_by=fields["changed_by"].decode(),
        ended_at=int(fields.get("ended_at", 0)),
        reason=fields.get("reason", b"").decode(),
        canary_at=int(fields.get("canary_at", 0)),
        base_updated=int(fields.get("base_updated", 0)),
        base_failed=int(fields.get("base_failed", 0)),
        places={place: int(count) for place, count in zip(PLACES, counts, strict=True)},
        outcomes={outcome: int(fields.get(f"n:{outcome}", 0)) for outcome in OUTCOMES},
    )


async def page(
    lane: Lane, state: CampaignState | None, after: Position | None, limit: int
) -> tuple[list[CampaignNow], Position | None]:
    """Return up to `limit` campaigns behind `after`, the newest first, and where to go on; None at the end."""

    async def load(positions: list[Position]) -> Sequence[CampaignNow | None]:
        return await campaigns(lane, [at.member for at in positions])

    source = walk(lane, keys.CAMPAIGNS, after, min(limit + 1, CHUNK))
    return await page_of(source, load, lambda found: state is None or found.state == state, after, limit)


async def stations(
    lane: Lane, campaign_id: str, outcome: UpdateOutcome | CampaignPlace | None, after: str, limit: int
) -> tuple[list[StationUpdate], str]:
    """Return up to `limit` stations of a campaign behind `after`, and the id to go on behind; empty at the end."""
    kept: list[StationUpdate] = []
    last, seen = after, 0
    while True:
        ids = await names(lane, keys.campaign_stations(campaign_id), "", last, CHUNK)
        for one in await _stations(lane, campaign_id, ids):
            if outcome is None or outcome == (one.result.outcome if one.result else one.place):
                if len(kept) == limit:
                    return kept, last
                kept.append(one)
            last = one.station_id
        seen += len(ids)
        if len(ids) < CHUNK:
            return kept, ""
        if seen >= SCAN_BUDGET:
            return kept, last


async def _stations(lane: Lane, campaign_id: str, ids: Sequence[str]) -> list[StationUpdate]:
    if not ids:
        return []
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
            arguments += (one.station_id, result, "failed", turn_order(number, one.station_id), f"{turn}:1")
        if arguments:
            revived += max(int(await lane.one(*REVIVE_STATIONS.command(touched, [number, at, by, *arguments]))), 0)
        if not cursor:
            break
    return revived


def _staging(campaign_id: str, some: Sequence[str], staged: tuple[str, str]) -> list[Command]:
    known, waiting = staged
    in_order = [part for station in some for part in (0, station)]
    in_turn = [part for station in some for part in (turn_order(campaign_id, station), station)]
    return [
        ("ZADD", known, *in_order),
        ("ZADD", waiting, *in_turn),
        ("EXPIRE", known, STAGED_S),
        ("EXPIRE", waiting, STAGED_S),
    ]
