"""Images and campaigns of firmware, as operators see them."""

from __future__ import annotations

from typing import Final

import msgspec

from edge.operators.times import Instant, instant, iso
from shared.records import firmware
from shared.records.firmware import (
    CampaignNow,
    CampaignPlace,
    CampaignState,
    SignedMode,
    UpdateOutcome,
    UpdateStage,
)
from shared.records.queries.firmware import StationUpdate
from shared.records.windows import written
from shared.urls import redact


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A firmware that stations can be brought to."""

    id: str
    version: str
    """As stations name it when they boot."""
    vendor: str | None
    model: str | None
    file_name: str
    ready: bool
    """Whether its content is here, or at its location."""
    size: int | None
    sha256: str | None
    signed: bool
    """Whether it has a signature and the certificate that goes with it."""
    verified: bool | None
    """Whether that fits the content; null: not signed, or the content is not here. The station's look counts."""
    location: str | None
    """Where it is, if not here; what lets somebody in is masked."""
    note: str | None
    created_at: Instant
    created_by: str

    @classmethod
    def of(cls, image: firmware.Image) -> Image:
        """Show an image."""
        return cls(
            id=image.image_id,
            version=image.version,
            vendor=image.vendor or None,
            model=image.model or None,
            file_name=image.file_name,
            ready=bool(image.file_id or image.location),
            size=image.size or None,
            sha256=image.sha256 or None,
            signed=bool(image.signature and image.signing_certificate),
            verified=image.verified,
            location=redact(image.location) or None,
            note=image.note or None,
            created_at=instant(image.created_at),
            created_by=image.created_by,
        )


class CampaignProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a campaign's stations are that have not ended."""

    waiting: int
    """Not begun: it is not their turn."""
    offline: int
    """Offline at their turn. Back again, they wait for it anew."""
    active: int
    """Their update is under way."""
    resting: int
    """They wait for another attempt: the last failed, or was put off."""


class CampaignOutcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a campaign's stations ended how."""

    updated: int
    """They booted and named the version."""
    current: int
    """They had it before."""
    failed: int
    refused: int
    """They are no more, or take no such update."""
    expired: int
    cancelled: int


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """A firmware brought to many stations, and how far it is."""

    id: str
    name: str | None
    image_id: str
    version: str
    filter: dict[str, str] | None
    """How its stations were found when it was made; null where they were named."""
    state: CampaignState
    """`stopped`: by itself, `reason` says why. `done`: all stations have ended."""
    reason: str | None
    total: int
    ended: int
    progress: CampaignProgress
    outcomes: CampaignOutcomes
    canary: int
    canary_failures: int
    canaries_ended_at: Instant | None
    soak_s: int
    batch: int
    max_failure_percent: float
    failure_sample: int
    attempts: int
    retry_wait_s: int
    stage_timeout_s: int
    boot_timeout_s: int
    jitter_s: int
    signed: SignedMode
    only_idle: bool
    windows: list[str]
    time_zone: str
    created_at: Instant
    created_by: str
    changed_at: Instant
    changed_by: str
    expires_at: Instant
    ended_at: Instant | None

    @classmethod
    def of(cls, now: CampaignNow) -> Campaign:
        """Show a campaign."""
        one = now.campaign
        same = ("canary", "canary_failures", "soak_s", "batch", "max_failure_percent", "failure_sample", "attempts")
        more = ("retry_wait_s", "stage_timeout_s", "boot_timeout_s", "jitter_s", "signed", "only_idle", "created_by")
        return cls(
            id=one.campaign_id,
            name=one.name or None,
            image_id=one.image.image_id,
            version=one.image.version,
            filter=None if one.named else one.filter,
            state=now.state,
            reason=now.reason or None,
            total=one.total,
            ended=now.ended,
            progress=CampaignProgress(**now.places),
            outcomes=CampaignOutcomes(**now.outcomes),
            canaries_ended_at=iso(now.canary_at),
            windows=[written(window) for window in one.windows.windows],
            time_zone=one.windows.zone,
            created_at=instant(one.created_at),
            changed_at=instant(now.changed_at),
            changed_by=now.changed_by,
            expires_at=instant(one.expires_at),
            ended_at=iso(now.ended_at),
            **{name: getattr(one, name) for name in (*same, *more)},
        )


_PUT_OFF: Final = "at its turn a transaction ran, or another update"


class CampaignStation(msgspec.Struct, frozen=True, kw_only=True):
    """A station of a campaign: what came of it, or where it is."""

    station_id: str
    outcome: UpdateOutcome | CampaignPlace
    """Its outcome; for one that has not ended: `waiting`, `offline`, `active` or `resting`."""
    attempt: int
    stage: UpdateStage | None
    """Of one that is active: how far; of one that failed, or rests after that: where it was then."""
    status: str | None
    """What the station said last."""
    detail: str | None
    command_id: str | None
    at: Instant | None
    """Since when it is there; of one that rests, when it may begin again."""

    @classmethod
    def of(cls, one: StationUpdate) -> CampaignStation:
        """Show a station."""
        result, update = one.result, one.update
        last = update.result if update is not None and one.place == "resting" else result
        detail = last.detail if last is not None else _PUT_OFF if one.place == "resting" else ""
        stage = (result.stage if result else update.stage if update else None) or None
        at = result.at if result else one.due_at or (update.moved_at if update else 0)
        return cls(
            station_id=one.station_id,
            outcome=result.outcome if result else one.place or "waiting",  # type: ignore[arg-type] # never put off
            attempt=one.attempt,
            stage=stage,  # type: ignore[arg-type] # as it was written
            status=(update.status or None) if update else None,
            detail=detail or None,
            command_id=(result.command_id if result else update.command_id if update else "") or None,
            at=iso(at),
        )
