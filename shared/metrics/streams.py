"""The streams, as their consumers see them: what waits, how long, and what was lost."""

from typing import Final

from shared.metrics.base import REGISTRY
from shared.series import OPEN

STREAM_LENGTH: Final = REGISTRY.gauge(
    "stream_length", "Entries in a stream; uplinks are near 0 when settled.", {"stream": OPEN}
)
STREAM_LAG: Final = REGISTRY.gauge(
    "stream_lag_messages",
    "Entries that no consumer has read yet (absent while unknown); a rise means too few or stuck workers.",
    {"stream": OPEN, "group": OPEN},
)
STREAM_LAG_SECONDS: Final = REGISTRY.gauge(
    "stream_lag_seconds",
    "Age of the oldest unread entry; a rise means too few or stuck workers.",
    {"stream": OPEN, "group": OPEN},
)
STREAM_PENDING: Final = REGISTRY.gauge(
    "stream_pending_messages",
    "Entries read and not settled; a rise is workers that died or hang.",
    {"stream": OPEN, "group": OPEN},
)
STREAM_PENDING_SECONDS: Final = REGISTRY.gauge(
    "stream_pending_oldest_seconds",
    "Age of the oldest unsettled entry; a rise is a poison frame or a stuck worker.",
    {"stream": OPEN, "group": OPEN},
)
STREAM_WAIT_SECONDS: Final = REGISTRY.histogram(
    "stream_wait_seconds",
    "From an entry's place on an uplink until a worker takes it up; rises before stream_lag does: too few workers.",
)
STREAM_DELETED_PENDING: Final = REGISTRY.counter(
    "stream_deleted_pending_total",
    "Unsettled entries that vanished from a stream: reports lost by a wrong trim. Must stay 0.",
)
