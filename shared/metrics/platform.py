"""What every process stands on: its event loop, Redis, HTTP, and what runs."""

from typing import Final

from shared.metrics.base import REGISTRY
from shared.series import OPEN, OTHER

EVENT_LOOP_LAG_SECONDS: Final = REGISTRY.histogram(
    "event_loop_lag_seconds", "How late the event loop wakes a timer; rises when something blocks it."
)
REDIS_COMMAND_SECONDS: Final = REGISTRY.histogram(
    "redis_command_duration_seconds",
    "Round trips to Redis, a pipeline each, by the connection's purpose; rises with Redis's disk.",
    {"command": OPEN},
)
REDIS_ERRORS: Final = REGISTRY.counter(
    "redis_errors_total",
    "Failures at Redis, by what went wrong; anything but single ones of connection asks for a look.",
    {"kind": ("connection", "timeout", "loading", "readonly", "out_of_memory", "not_durable", OTHER)},
)
HTTP_SECONDS: Final = REGISTRY.histogram(
    "http_request_duration_seconds",
    "Requests at the operators' listener; a rise of 5xx codes is Redis or the workers, of 401 a token that ran out.",
    {"route": OPEN, "method": OPEN, "code": OPEN},
)
BUILD_INFO: Final = REGISTRY.gauge(
    "build_info", "Always 1; the labels tell what runs.", {"version": OPEN, "python": OPEN, "loop": OPEN}
)
