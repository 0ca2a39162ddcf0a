"""Security events: what stations report (SecurityEventNotification), and what Ampstream notices itself.

Each is a member of the sorted set `keys.SECURITY`, JSON, scored by its receipt: adding it twice is adding it once, so
it may stand in an outbox.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Severity = Literal["critical", "informational"]
Source = Literal["station", "ampstream"]
MAX_TEXT: Final = 255

CRITICAL: Final = frozenset(
    {
        "FirmwareUpdated",
        "SettingSystemTime",
        "StartupOfTheDevice",
        "ResetOrReboot",
        "SecurityLogWasCleared",
        "MemoryExhaustion",
        "TamperDetectionActivated",
    }
)
"""What the standard calls critical: a station must report it (OCPP 1.6 security white paper, edition 2, chapter 8)."""
OWN: Final[dict[str, Severity]] = {
    "StationLoginsFailed": "informational",
    "DowngradeTried": "critical",
    "InvalidStationCertificate": "critical",
    "TlsHandshakeFailed": "informational",
    "StationKeyChanged": "informational",
    "CertificateRefused": "informational",
    "OperatorLoginsFailed": "critical",
    "AuditLogAltered": "critical",
}
"""What Ampstream notices: unknown stations and wrong credentials at the door (counted together by the minute), a
station that comes below its security profile, a client certificate that is not its own, a TLS handshake that failed, a
key that was changed, a certificate signing request that was refused, guesses at operators' tokens, an audit log that
was tampered with."""
ALARMS: Final = frozenset(
    {
        "TamperDetectionActivated",
        "SecurityLogWasCleared",
        "MemoryExhaustion",
        "InvalidFirmwareSignature",
        "OperatorLoginsFailed",
        "AuditLogAltered",
    }
)
"""Kinds that no normal operation brings about: most of what the standard calls critical is a reboot."""


class SecurityRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One event. Times are ms."""

    id: str
    kind: str
    severity: Severity
    source: Source
    at: int
    """When Ampstream received or noticed it."""
    station_id: str = ""
    reported_at: int = 0
    """The station's own time; 0: none that could be read."""
    info: str = ""
    address: str = ""
    count: int = 1
    """How many alike came within a minute."""


def severity_of(kind: str) -> Severity:
    """Return how severe a kind of event is; one that nobody knows is informational."""
    return OWN.get(kind) or ("critical" if kind in CRITICAL else "informational")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SecurityRecord).decode


def member(record: SecurityRecord) -> str:
    """Return the record as a member of the sorted set."""
    return _encode(record).decode()


def read(text: str) -> SecurityRecord | None:
    """Return the record of a member, None for what is none."""
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        return None
