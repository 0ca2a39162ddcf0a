"""Operators: who was turned away, what was changed, and what looks like an attack."""

from typing import Final

from shared.metrics.base import REGISTRY

OPERATOR_AUTH_FAILURES: Final = REGISTRY.counter(
    "operator_auth_failures_total",
    "Requests of operators without a good token; a rise of unknown or throttled is somebody who guesses, of expired a "
    "script whose token ran out.",
    {"reason": ("missing", "unknown", "expired", "rejected", "issuer", "throttled")},
)
AUDIT_ENTRIES: Final = REGISTRY.counter(
    "audit_entries_total",
    "Changes that operators asked for, by outcome; a rise of refused is somebody who tries what their token does not "
    "allow, unknown asks for a look at what became of it.",
    {"outcome": ("done", "refused", "failed", "unknown")},
)
SECURITY_ALARMS: Final = REGISTRY.counter(
    "security_alarms_total",
    "Security events that no normal operation brings about; each asks for a person.",
    {
        "kind": (
            *("TamperDetectionActivated", "SecurityLogWasCleared", "MemoryExhaustion", "InvalidFirmwareSignature"),
            *("OperatorLoginsFailed", "AuditLogAltered"),
        )
    },
)
