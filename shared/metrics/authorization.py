"""Authorization: local lists of stations, and tags that are kept elsewhere."""

from typing import Final

from shared.metrics.base import REGISTRY

STATIONS_LISTED: Final = REGISTRY.gauge(
    "stations_local_list",
    "Stations that a local authorization list is wanted of, by how they hold it; pending that does not fall again "
    "waits for stations that are offline, refused and unsupported ones decide by what they had.",
    {"state": ("in_line", "pending", "partial", "differs", "refused", "unsupported")},
)
LOCAL_LIST_MESSAGES: Final = REGISTRY.counter(
    "local_list_messages_total",
    "SendLocalList by what the station said; a rise of failed is a model that takes less than it says.",
    {"result": ("accepted", "failed", "mismatch", "unsupported", "lost")},
)
LOCAL_LIST_REPAIRS: Final = REGISTRY.counter(
    "local_list_repairs_total",
    "Lists that were sent whole again, by why; a rise of version is stations that lose theirs.",
    {"reason": ("version", "failed", "mismatch", "site", "behind", "asked")},
)
AUTHORIZER_DECISIONS: Final = REGISTRY.counter(
    "authorizer_decisions_total",
    "Tags that are kept elsewhere, by what decided: its answer, one of a moment ago, or the fall-back while it does "
    "not answer.",
    {"source": ("asked", "cached", "last_known", "accepted_unasked", "refused_unasked")},
)
AUTHORIZER_REQUESTS: Final = REGISTRY.counter(
    "authorizer_requests_total",
    "Questions to the external authorizer by what came of them; open: none was sent, for it had failed too often.",
    {"result": ("ok", "timeout", "unreachable", "status", "garbage", "open", "busy")},
)
AUTHORIZER_SECONDS: Final = REGISTRY.histogram(
    "authorizer_seconds",
    "How long the external authorizer takes to answer, where it does; a rise is drivers who wait.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
AUTHORIZER_WAITING: Final = REGISTRY.gauge(
    "authorizer_waiting",
    "Frames of this worker that wait for the external authorizer; a rise is one that is slow.",
)
AUTHORIZER_OPEN: Final = REGISTRY.gauge(
    "authorizer_circuit_open",
    "1 while this worker does not ask the external authorizer: it failed time after time.",
)
