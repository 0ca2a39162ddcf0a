"""Frames that nobody understood, kept whole for a person."""

from __future__ import annotations

import msgspec


class Quarantined(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One quarantined frame: field `<quarantine_id>` of `s:{id}:quarantine`."""

    quarantine_id: str
    """`<partition>-<uplink entry id>`: the same on redelivery."""
    station_id: str
    received_at: int
    reason: str
    """Why, of a closed set. No frame could be read: `not_json`, `bad_envelope`, `too_big`, `too_deep`,
    `unknown_message_type`, `binary`. A frame: `bad_payload`, `unknown_action`, `poison`, `handler_failed`."""
    detail: str
    frame: bytes
    action: str = ""
    epoch: int = 0
    call_seq: int = 0
    transaction_id: int = 0
    """For a StartTransaction: the id it was answered with; a replay gives the same."""
    replays: int = 0
