"""The settings that decisions depend on, apart from what processes need: deciders see nothing else."""

from __future__ import annotations

from typing import Literal

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator set for the whole fleet; times in seconds."""

    unknown_stations: Literal["accept", "reject"] = "reject"
    unknown_tags: Literal["accept", "reject"] = "reject"
    boot_policy: Literal["accepted", "pending", "rejected"] = "accepted"
    heartbeat_interval_s: int = 60
    boot_retry_interval_s: int = 60
    """The interval given with Pending and Rejected."""
    boot_hold_s: int = 30
    """Commands wait for the boot's answer, or this long after a connect without a boot (QUIRKS: Wallbox, EN+)."""
    command_timeout_s: int = 30
    command_expiry_s: int = 7 * 24 * 3600
    call_timeout_s: int = 20
    """A CALL unanswered for so long closes its socket; repeated calls are recognised for twice this."""
    reconcile_after_s: int = 600
    """How long a reconciliation waits for queued stops before it closes what is provably over."""
    reconcile_ask_s: int = 20
    """When a reconciliation asks by TriggerMessage after the boot or reconnect."""
    default_time_zone: str = "UTC"
    quarantine_bytes_per_station: int = 1_000_000
    history_entries_per_station: int = 1_000
