"""The settings that decisions depend on, apart from what processes need: deciders see nothing else."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from shared.settings import Settings

FACT_BYTES: Final = 256
"""What a fact of a station's history takes as a rule: the bound that each commit keeps; a job looks at the bytes."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator set for the whole fleet."""

    unknown_stations: Literal["accept", "reject"] = "reject"
    unknown_tags: Literal["accept", "reject"] = "reject"
    authorizer: bool = False
    """Whether tags that nobody entered here are asked of an external authorizer."""
    authorizer_fresh_ms: int = 60_000
    authorizer_stale_ms: int = 86_400_000
    authorizer_fallback: Literal["refuse", "last_known", "accept"] = "last_known"
    boot_policy: Literal["accepted", "pending", "rejected"] = "accepted"
    heartbeat_interval_s: int = 60
    boot_retry_interval_s: int = 60
    """The interval given with Pending and Rejected."""
    boot_hold_ms: int = 30_000
    """Commands wait for the boot's answer, or this long after a connect without a boot (quirk 2)."""
    command_timeout_ms: int = 30_000
    command_expiry_ms: int = 7 * 24 * 3600 * 1000
    call_timeout_ms: int = 20_000
    """A CALL unanswered for so long closes its socket; repeated calls are recognised for twice this."""
    start_failure_ms: int = 120_000
    """An accepted remote start without a transaction, or stop without its end, for so long has failed."""
    limit_grace_ms: int = 60_000
    """How long a limit was in force before who draws more than it is held to it."""
    reconcile_after_ms: int = 600_000
    """How long a reconciliation waits for queued stops before it closes what is provably over."""
    reconcile_ask_ms: int = 20_000
    """When a reconciliation asks by TriggerMessage after the boot or reconnect."""
    configuration_every_ms: int = 0
    """How often a station's configuration is read; 0: never, not after a boot either."""
    configuration_bytes: int = 65_536
    """Keys of a configuration beyond so many bytes are left out."""
    configuration_versions: int = 100
    """Versions of its configuration, and drifts, kept per station."""
    reboot_idle_ms: int = 120_000
    """A station that must reboot for a template's sake has had no transaction for so long before."""
    firmware_settle_ms: int = 7 * 24 * 3600 * 1000
    """After so long a firmware has shown what it shows."""
    signs_certificates: bool = False
    """Somebody signs what stations ask for."""
    operator_name: str = ""
    """The organisation in stations' certificates; empty: any."""
    certificate_renew_ms: int = 0
    """A station is asked for a new certificate so long before its own ends."""
    default_time_zone: str = "UTC"
    quarantine_bytes_per_station: int = 1_000_000
    history_entries_per_station: int = 1_000
    command_history: int = 100
    """Ended commands kept per station."""


_REGISTRATIONS: Final[dict[str, Literal["accepted", "pending", "rejected"]]] = {
    "accept": "accepted",
    "pending": "pending",
    "reject": "rejected",
}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def of_settings(settings: Settings) -> Policy:
    """Return the part of a process's settings that decisions see."""
    return Policy(
        unknown_stations=settings.unknown_stations,
        unknown_tags=settings.unknown_tags,
        authorizer=bool(settings.authorizer_url),
        authorizer_fresh_ms=_ms(settings.authorizer_fresh_s),
        authorizer_stale_ms=_ms(settings.authorizer_stale_s),
        authorizer_fallback=settings.authorizer_fallback,
        boot_policy=_REGISTRATIONS[settings.boot_policy],
        heartbeat_interval_s=settings.heartbeat_interval_s,
        boot_retry_interval_s=settings.boot_retry_s,
        boot_hold_ms=_ms(settings.boot_hold_s),
        command_timeout_ms=_ms(settings.command_timeout_s),
        call_timeout_ms=_ms(settings.call_timeout_s),
        start_failure_ms=_ms(settings.start_failure_s),
        limit_grace_ms=_ms(settings.limit_grace_s),
        reconcile_after_ms=_ms(settings.reconcile_after_s),
        reconcile_ask_ms=min(Policy().reconcile_ask_ms, _ms(settings.reconcile_after_s / 4)),
        configuration_every_ms=_ms(settings.configuration_read_s),
        configuration_bytes=settings.configuration_station_bytes,
        configuration_versions=settings.configuration_versions,
        reboot_idle_ms=_ms(settings.reboot_idle_s),
        firmware_settle_ms=_ms(settings.firmware_settle_s),
        signs_certificates=settings.certificate_authority != "off",
        operator_name=settings.operator_name,
        certificate_renew_ms=settings.certificate_renew_days * 24 * 3600 * 1000,
        quarantine_bytes_per_station=settings.quarantine_station_bytes,
        history_entries_per_station=max(settings.history_station_bytes // FACT_BYTES, 1),
        command_history=settings.command_history,
    )
