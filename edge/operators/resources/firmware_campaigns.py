"""Campaigns of firmware: made, listed, shown, paused, resumed, cancelled, retried; what came of each station."""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models import firmware as models
from edge.operators.models.base import Cursor, Limit, Page, StationId
from edge.operators.models.firmware import CampaignStation
from edge.operators.problems import ProblemError, missing
from edge.operators.resources.asking import request_id
from edge.operators.resources.jobs import MAX_NAMED, Target, chosen
from edge.operators.resources.lists import member, page, position, shown
from edge.operators.resources.stations import Text
from edge.operators.resources.writing import room
from edge.operators.routes import Table
from edge.operators.serving import Answer
from edge.transfers import places
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.records.firmware import (
    Campaign,
    CampaignNow,
    CampaignPlace,
    CampaignState,
    Image,
    SignedMode,
    UpdateOutcome,
    make_campaign_id,
)
from shared.records.queries import firmware
from shared.records.windows import Windows, parse_window, zone_of

TABLE: Final = Table("firmware")
_route = TABLE.route
DAY_S: Final = 24 * 3600


class NewCampaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which firmware, to whom, and how carefully; `stations` or `filter` says whom."""

    image_id: Annotated[str, Meta(max_length=64)]
    name: Annotated[Text, Meta(description="For people.")] = ""
    stations: Annotated[list[StationId], Meta(min_length=1, max_length=MAX_NAMED)] | None = None
    filter: Target | None = None
    canary: Annotated[int, Meta(ge=0, le=1000, description="Stations that go first, alone.")] = 1
    canary_failures: Annotated[int, Meta(ge=0, description="More failed canaries stop it.")] = 0
    soak_s: Annotated[int, Meta(ge=0, le=30 * DAY_S, description="Between canaries and the first batch.")] = 0
    batch: Annotated[int, Meta(ge=1, le=1000, description="Stations at a time.")] = 10
    max_failure_percent: Annotated[float, Meta(ge=0, le=100, description="A larger share of failures stops it.")] = 20.0
    failure_sample: Annotated[int, Meta(ge=1, description="The share counts once so many have ended.")] = 5
    attempts: Annotated[int, Meta(ge=1, le=10, description="At each station.")] = 2
    retry_wait_s: Annotated[int, Meta(ge=0, le=7 * DAY_S)] = 600
    stage_timeout_s: Annotated[int, Meta(ge=1, le=7 * DAY_S, description="Silence for so long is a failure.")] = 3600
    boot_timeout_s: Annotated[int, Meta(ge=1, le=7 * DAY_S, description="From Installed to the boot.")] = 1800
    jitter_s: Annotated[int, Meta(ge=0, le=DAY_S, description="Stations fetch up to so much later, spread.")] = 0
    signed: Annotated[SignedMode, Meta(description="Whether SignedUpdateFirmware is sent.")] = "auto"
    only_idle: Annotated[bool, Meta(description="Not while a transaction runs.")] = True
    windows: Annotated[
        list[Annotated[str, Meta(max_length=100)]],
        Meta(max_length=50, description="When stations may begin, e.g. `mon-fri 22:00-05:00`; empty: always."),
    ] = []
    time_zone: Annotated[str, Meta(max_length=64, description="Of the windows, e.g. `Europe/Berlin`.")] = "UTC"
    expires_in_s: Annotated[int, Meta(ge=1, le=365 * DAY_S, description="Nobody begins after so long.")] = 30 * DAY_S
    paused: Annotated[bool, Meta(description="Make it, and begin when it is resumed.")] = False


class CampaignList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    state: CampaignState | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class CampaignPath(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign."""

    campaign_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z-]+$")]


class StationList(CampaignPath, frozen=True, kw_only=True):
    """Which of a campaign's stations."""

    outcome: UpdateOutcome | CampaignPlace | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


@_route(
    "POST", "/firmware-campaigns", "Make a campaign", scope="operate", body=NewCampaign, response=models.Campaign,
    status=201, also=(200,), errors=("conflict",),
)  # fmt: skip
async def create_campaign(call: Call[Any, NewCampaign]) -> Answer:
    """Bring a firmware to many stations: canaries first, then batch by batch. They are fixed now. 200: asked before."""
    body = call.body
    digest = hashlib.blake2b(request_id(call).encode(), digest_size=16, person=b"campaign").hexdigest()
    if before := await firmware.made_by(call.lane, digest):
        return Answer(models.Campaign.of(await _known(call.lane, before)), 200)
    image = await firmware.image(call.lane, body.image_id)
    if image is None:
        raise ProblemError.of_field("bad_body", "body", "image_id", "is no image that is known")
    if not image.file_id and not image.location:
        raise ProblemError.of_field("bad_body", "body", "image_id", "has no content yet")
    if image.location and (why := places.wrong(call.parts.settings, image.location)):
        raise ProblemError.of_field("bad_body", "body", "image_id", why)
    if body.signed == "always" and not image.signature:
        raise ProblemError.of_field("bad_body", "body", "signed", "is `always`, and the image has no signature")
    windows = _windows(body)
    stations, target = await _targets(call.lane, body, image)
    now = await now_ms(call.lane)
    same = {name: getattr(body, name) for name in Campaign.__struct_fields__ if name in _SAME}
    campaign = Campaign(
        campaign_id=make_campaign_id(now, secrets.token_hex(12)),
        image=image,
        named=body.stations is not None,
        filter=target,
        total=len(stations),
        windows=windows,
        created_at=now,
        created_by=call.token.name,
        expires_at=now + body.expires_in_s * 1000,
        **same,
    )
    with room():
        made = await firmware.create(
            call.lane, campaign, stations, state="paused" if body.paused else "running", digest=digest
        )
    return Answer(models.Campaign.of(await _known(call.lane, made)), 201 if made == campaign.campaign_id else 200)


@_route(
    "GET", "/firmware-campaigns", "List campaigns", scope="read", params=CampaignList, response=Page[models.Campaign]
)
async def list_campaigns(call: Call[CampaignList, None]) -> Page[models.Campaign]:
    """Return campaigns, the newest first, or those in one state."""
    params = call.params
    query = ("campaigns", params.state)
    found, after = await firmware.page(call.lane, params.state, position(params.cursor, *query), params.limit)
    return page(await shown(found, models.Campaign.of), after, *query)


@_route(
    "GET", "/firmware-campaigns/{campaign_id}", "Show a campaign", scope="read", params=CampaignPath,
    response=models.Campaign, errors=("not_found",),
)  # fmt: skip
async def show_campaign(call: Call[CampaignPath, None]) -> models.Campaign:
    """Return a campaign and how far it is, as long as it is kept."""
    return models.Campaign.of(await _known(call.lane, call.params.campaign_id))


@_route(
    "GET", "/firmware-campaigns/{campaign_id}/stations", "List a campaign's stations", scope="read",
    params=StationList, response=Page[CampaignStation], errors=("not_found",),
)  # fmt: skip
async def list_campaign_stations(call: Call[StationList, None]) -> Page[CampaignStation]:
    """Return a campaign's stations by id: their outcomes, or how far they are."""
    params = call.params
    await _known(call.lane, params.campaign_id)
    query = ("campaign stations", params.campaign_id, params.outcome)
    after = member(params.cursor, *query)
    found, after = await firmware.stations(call.lane, params.campaign_id, params.outcome, after, params.limit)
    return page(await shown(found, CampaignStation.of), after, *query)


@_route(
    "POST", "/firmware-campaigns/{campaign_id}/pause", "Pause a campaign", scope="operate", params=CampaignPath,
    response=models.Campaign, errors=("not_found", "conflict"),
)  # fmt: skip
async def pause_campaign(call: Call[CampaignPath, None]) -> models.Campaign:
    """Let no further station begin; those that have begun go on. 409 where it is over."""
    return await _change(call, "paused")


@_route(
    "POST", "/firmware-campaigns/{campaign_id}/resume", "Resume a campaign", scope="operate", params=CampaignPath,
    response=models.Campaign, errors=("not_found", "conflict"),
)  # fmt: skip
async def resume_campaign(call: Call[CampaignPath, None]) -> models.Campaign:
    """Let stations begin again, also where it stopped by itself: failures are counted from now on."""
    return await _change(call, "running")


@_route(
    "POST", "/firmware-campaigns/{campaign_id}/cancel", "Cancel a campaign", scope="operate", params=CampaignPath,
    response=models.Campaign, errors=("not_found", "conflict"),
)  # fmt: skip
async def cancel_campaign(call: Call[CampaignPath, None]) -> models.Campaign:
    """Let no further station begin, and take back what was not sent; an update that was sent can't be called back."""
    return await _change(call, "cancelled")


@_route(
    "POST", "/firmware-campaigns/{campaign_id}/retry", "Retry a campaign's failed stations", scope="operate",
    params=CampaignPath, response=models.Campaign, errors=("not_found", "conflict"),
)  # fmt: skip
async def retry_campaign(call: Call[CampaignPath, None]) -> models.Campaign:
    """Let the stations that failed begin anew, with all of their attempts; the campaign runs again."""
    found = await _known(call.lane, call.params.campaign_id)
    now = await now_ms(call.lane)
    if found.state == "cancelled" or now >= found.campaign.expires_at:
        over = "was cancelled" if found.state == "cancelled" else "has expired"
        raise ProblemError("conflict", f"the campaign {over}; make another one")
    if not await firmware.revive(call.lane, found, at=now, by=call.token.name):
        raise ProblemError("conflict", "no station of the campaign has failed")
    return models.Campaign.of(await _known(call.lane, call.params.campaign_id))


_SAME: Final = frozenset(NewCampaign.__struct_fields__) - {"image_id", "stations", "filter", "windows"}
"""Fields that a campaign has as they are asked for."""


def _windows(body: NewCampaign) -> Windows:
    try:
        zone_of(body.time_zone)
    except ValueError as error:
        raise ProblemError.of_field("bad_body", "body", "time_zone", f"is wrong: {error}") from None
    found = []
    for n, text in enumerate(body.windows):
        try:
            found.append(parse_window(text))
        except ValueError as error:
            raise ProblemError.of_field("bad_body", "body", f"windows[{n}]", f"is wrong: {error}") from None
    return Windows(tuple(found), body.time_zone)


async def _targets(lane: Lane, body: NewCampaign, image: Image) -> tuple[list[str], dict[str, str]]:
    """Return the stations and the filter that found them; raises `ProblemError` 422.

    An image for one vendor or model narrows a filter; a station that was named must fit.
    """
    target = body.filter
    if target is not None:
        target = msgspec.structs.replace(
            target, vendor=target.vendor or image.vendor, model=target.model or image.model
        )
    stations: list[str] = []
    async for station in chosen(lane, body.stations, target):
        record = station.station
        for field in ("vendor", "model"):
            wanted, has = getattr(image, field), getattr(record, field)
            if wanted and has and wanted.lower() != has.lower():
                message = f"has {record.station_id}, whose {field} is {has}; the image is for {wanted}"
                where = "stations" if target is None else "filter"
                raise ProblemError.of_field("bad_body", "body", where, message)
        stations.append(record.station_id)
    return stations, msgspec.to_builtins(target) if target is not None else {}


async def _change(call: Call[CampaignPath, None], to: CampaignState) -> models.Campaign:
    found = await _known(call.lane, call.params.campaign_id)
    done = await firmware.change(call.lane, found, to, at=await now_ms(call.lane), by=call.token.name)
    if done == "conflict":
        ended = " and has ended" if found.ended_at else ""
        raise ProblemError("conflict", f"the campaign is {found.state}{ended}")
    return models.Campaign.of(await _known(call.lane, call.params.campaign_id))


async def _known(lane: Lane, campaign_id: str) -> CampaignNow:
    found = await firmware.campaign(lane, campaign_id)
    if found is None:
        raise missing("campaign", campaign_id)
    return found
