"""An update's result for its campaign, and its events."""

from __future__ import annotations

from typing import Final

import msgspec

from shared.bus import firmware_keys as keys
from shared.records.events import FirmwareUpdate
from shared.records.firmware import DETAIL_CHARACTERS, AttemptOutcome, UpdateResult, Updating
from shared.records.packing import pack
from shared.urls import redact
from workers.store.draft import Draft

KEPT_MS: Final = 40 * 24 * 3600 * 1000
"""A result that nobody counts is forgotten after so long: its campaign is gone."""


def report(draft: Draft, campaign_id: str, result: UpdateResult) -> None:
    """Leave this station's result for the campaign."""
    draft.effect("HSET", keys.campaign_ended(campaign_id), draft.station_id, pack(result))
    draft.effect("PEXPIRE", keys.campaign_ended(campaign_id), KEPT_MS)


def finish(draft: Draft, outcome: AttemptOutcome, detail: str = "") -> None:
    """End the update that is under way, and tell."""
    update: Updating = draft.updating
    result = UpdateResult(
        outcome=outcome,
        turn=update.turn,
        attempt=update.attempt,
        at=draft.now,
        stage=update.stage if outcome == "failed" else "",
        detail=redact(detail)[:DETAIL_CHARACTERS],
        command_id=update.command_id,
    )
    draft.put(msgspec.structs.replace(update, result=result, location="", due_at=0, moved_at=draft.now))
    report(draft, update.campaign_id, result)
    if outcome == "failed":
        draft.count("firmware_attempts_total", update.stage)
    announce(draft, outcome, result.detail)


def announce(draft: Draft, stage: str, detail: str = "") -> None:
    """Publish where the update is."""
    update: Updating = draft.updating
    draft.emit(
        FirmwareUpdate(
            station_id=draft.station_id,
            at=draft.now,
            campaign_id=update.campaign_id,
            firmware=update.version,
            attempt=update.attempt,
            stage=stage,
            detail=detail,
        )
    )
