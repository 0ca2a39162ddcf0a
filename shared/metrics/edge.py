"""An edge's stations: their sockets, their frames, and how soon they are answered."""

from typing import Final

from shared.metrics.base import ACTIONS, PROTOCOLS, REGISTRY
from shared.series import OTHER

_PROFILES: Final = ("0", "1", "2", "3")
_FRAME_TYPES: Final = ("call", "callresult", "callerror", "send", OTHER)
_CONNECTS: Final = (
    "accepted",
    "auth_failed",  # unknown station and wrong password alike, as the answer is
    "bad_identity",
    "no_subprotocol",
    "rate_limited",
    "limit",  # max_connections
    "failed_closed",
    "draining",
    "superseded_at_once",
    "profile_downgrade",
    "bad_certificate",  # not this station's, not the operator's, or revoked
    OTHER,
)
_DISCONNECTS: Final = (
    "station",  # it closed, or its TCP connection did
    "lost",  # the network did: reset, keepalive
    "superseded",
    "call_timeout",
    "ping_timeout",
    "write_timeout",
    "queue_full",
    "frame_too_big",
    "protocol_error",
    "append_unknown",
    "downlink_gap",
    "failed_closed",
    "operator",
    "revoked",  # its certificate was, while it was connected
    "drain",
    OTHER,
)
_HANDSHAKES: Final = (
    "ok",
    "version",  # older than is spoken
    "cipher",  # no suite, group or signature in common
    "certificate",  # the station's own does not lead to an authority, or has ended
    "refused",  # the station does not like ours
    "not_tls",
    "timeout",
    "gone",
    "too_many",
    OTHER,
)
_FRAME_FAULTS: Final = (
    "not_json",
    "not_an_array",
    "bad_envelope",
    "unknown_type",
    "too_deep",
    "too_big",
    "binary",
    "unsolicited_answer",
    "late_answer",
    "second_call",
    OTHER,
)
_FRAME_BYTES: Final = (64, 128, 256, 512, 1024, 4096, 16384, 65536, 262144)
_LONG: Final = (1, 10, 60, 300, 1800, 3600, 21600, 86400, 604800)

EDGE_CONNECTIONS: Final = REGISTRY.gauge(
    "edge_connections",
    "Sockets of stations that this edge holds; a step down is a mass disconnect.",
    {"protocol": PROTOCOLS, "security_profile": _PROFILES},
)
EDGE_CONNECTIONS_LIMIT: Final = REGISTRY.gauge(
    "edge_connections_limit", "Sockets this edge would hold at most; near it, add an edge."
)
EDGE_CONNECTS: Final = REGISTRY.counter(
    "edge_connects_total",
    "Upgrades by outcome; a rise of accepted is a reconnect storm, of the others a wrong setup or an attack.",
    {"protocol": PROTOCOLS, "result": _CONNECTS},
)
EDGE_TLS_HANDSHAKES: Final = REGISTRY.counter(
    "edge_tls_handshakes_total",
    "TLS handshakes with stations, for files too, by how they ended; a rise of refused is our certificate, of "
    "certificate theirs.",
    {"result": _HANDSHAKES},
)
EDGE_TLS_CERTIFICATE_ENDS: Final = REGISTRY.gauge(
    "edge_tls_certificate_ends_timestamp_seconds",
    "When the first of this edge's own certificates ends (Unix time); stations stay away from then on. 0: it has none.",
)
EDGE_DISCONNECTS: Final = REGISTRY.counter(
    "edge_disconnects_total",
    "Sockets that ended, by who or what ended them; all but station, lost and drain ask for a look.",
    {"reason": _DISCONNECTS},
)
EDGE_CONNECTION_SECONDS: Final = REGISTRY.histogram(
    "edge_connection_duration_seconds", "How long sockets lived; short ones are stations that loop.", buckets=_LONG
)
EDGE_FRAMES: Final = REGISTRY.counter(
    "edge_frames_total",
    "Frames by direction (in: from the station), message type and action; a rise of callerror out is a firmware.",
    {"direction": ("in", "out"), "type": _FRAME_TYPES, "action": ACTIONS},
)
EDGE_FRAME_BYTES: Final = REGISTRY.histogram(
    "edge_frame_size_bytes",
    "Size of frames; a rise is stations that send more with each, or certificates and lists under way.",
    {"direction": ("in", "out")},
    buckets=_FRAME_BYTES,
)
EDGE_INVALID_FRAMES: Final = REGISTRY.counter(
    "edge_invalid_frames_total",
    "Texts that are no frame, or none that fits; a rise is a firmware.",
    {"reason": _FRAME_FAULTS},
)
EDGE_INGEST_SECONDS: Final = REGISTRY.histogram(
    "edge_ingest_duration_seconds",
    "From a frame's arrival to its durable place on the uplink; rises with Redis's disk.",
)
EDGE_ACK_SECONDS: Final = REGISTRY.histogram(
    "edge_ack_duration_seconds",
    "From a CALL's arrival to its answer on the socket: the service level; unanswered counts 10 s or more.",
    {"action": ACTIONS},
)
EDGE_PING_SECONDS: Final = REGISTRY.histogram(
    "edge_ping_rtt_seconds", "Round trip of WebSocket pings: the stations' networks, whose congestion it shows."
)
EDGE_SEND_QUEUE: Final = REGISTRY.gauge(
    "edge_send_queue_frames", "Frames waiting for sockets; a rise is stations that do not read."
)
EDGE_DRAINING: Final = REGISTRY.gauge(
    "edge_draining", "1 while this edge shuts down in order; for longer than the drain's limit, it hangs."
)
EDGE_FAIL_CLOSED: Final = REGISTRY.counter(
    "edge_fail_closed_total",
    "Times this edge closed its sockets because nobody answered: Redis or all workers are gone.",
)
EDGE_SUPERSEDED: Final = REGISTRY.counter(
    "edge_superseded_total",
    "Sockets replaced by a newer one of the same station; from another address it may be a stolen key.",
    {"same_address": ("true", "false")},
)
