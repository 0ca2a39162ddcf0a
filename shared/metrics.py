"""Every metric of Ampstream: its name, labels and buckets, and what it means when it rises.

A name appears here and nowhere else in the code. Import the constant, keep its child, count:

    ANSWERED = metrics.EDGE_ACK_SECONDS.labels("Heartbeat")
    ANSWERED.observe(seconds)

Never a station, id tag or address in a label. An action that nobody registered (`register_actions`) counts as `other`.
Closed label sets start at 0. A metric arrives with its feature; a feature that does not exist yet has none.
`docs/metrics.md` is generated from here.
"""

import asyncio
import importlib.metadata
import platform
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

from shared.series import OPEN, OTHER, Registry

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
REGISTRY: Final = Registry()

_process: "CollectorRegistry | None" = None
_role = ""
_EDGE_ONLY: Final = ("edge_", "http_")
_EVERYWHERE: Final = ("event_loop_", "redis_", "build_info")
_actions: Final[set[str]] = {OTHER}
_entries: Final[set[str]] = {
    *("answer", "opened", "closed", "expired", "not_written", "wakeup", "request", "canary", "unreadable", OTHER)
}
"""What an uplink entry may be: a CALL's action, or a kind."""
_PROTOCOLS: Final = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1", "none")
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
    "drain",
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
_CONNECTOR_STATUSES: Final = (
    *("Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV", "Finishing", "Reserved", "Unavailable"),
    *("Faulted", OTHER),
)
_STOP_REASONS: Final = (
    *("EmergencyStop", "EVDisconnected", "HardReset", "Local", "Other", "PowerLoss", "Reboot", "Remote", "SoftReset"),
    *("UnlockCommand", "DeAuthorized", "reconciled", "superseded", OTHER),
)
_ERROR_CODES: Final = (
    *("ConnectorLockFailure", "EVCommunicationError", "GroundFailure", "HighTemperature", "InternalError"),
    *("LocalListConflict", "OtherError", "OverCurrentFailure", "OverVoltage", "PowerMeterFailure"),
    *("PowerSwitchFailure", "ReaderFailure", "ResetFailure", "UnderVoltage", "WeakSignal", OTHER),
)
_FIRMWARE: Final = (
    *("Downloaded", "DownloadFailed", "Downloading", "Idle", "InstallationFailed", "Installing", "Installed"),
    *("DownloadScheduled", "DownloadPaused", "InstallRebooting", "InstallScheduled", "InstallVerificationFailed"),
    *("InvalidSignature", "SignatureVerified", "RevokedCertificate", OTHER),
)
_FRAME_BYTES: Final = (64, 128, 256, 512, 1024, 4096, 16384, 65536, 262144)
_LONG: Final = (1, 10, 60, 300, 1800, 3600, 21600, 86400, 604800)

# ---- Edge: the stations' listener ----------------------------------------------------------------------------------

EDGE_CONNECTIONS: Final = REGISTRY.gauge(
    "edge_connections",
    "Sockets of stations that this edge holds; a step down is a mass disconnect.",
    {"protocol": _PROTOCOLS, "security_profile": _PROFILES},
)
EDGE_CONNECTIONS_LIMIT: Final = REGISTRY.gauge(
    "edge_connections_limit", "Sockets this edge would hold at most; near it, add an edge."
)
EDGE_CONNECTS: Final = REGISTRY.counter(
    "edge_connects_total",
    "Upgrades by outcome; a rise of accepted is a reconnect storm, of the others a wrong setup or an attack.",
    {"protocol": _PROTOCOLS, "result": _CONNECTS},
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
    "Frames by direction (in: from the station), message type and action.",
    {"direction": ("in", "out"), "type": _FRAME_TYPES, "action": _actions},
)
EDGE_FRAME_BYTES: Final = REGISTRY.histogram(
    "edge_frame_size_bytes", "Size of frames.", {"direction": ("in", "out")}, buckets=_FRAME_BYTES
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
    {"action": _actions},
)
EDGE_PING_SECONDS: Final = REGISTRY.histogram(
    "edge_ping_rtt_seconds", "Round trip of WebSocket pings: the stations' networks."
)
EDGE_SEND_QUEUE: Final = REGISTRY.gauge(
    "edge_send_queue_frames", "Frames waiting for sockets; a rise is stations that do not read."
)
EDGE_DRAINING: Final = REGISTRY.gauge("edge_draining", "1 while this edge shuts down in order.")
EDGE_FAIL_CLOSED: Final = REGISTRY.counter(
    "edge_fail_closed_total",
    "Times this edge closed its sockets because nobody answered: Redis or all workers are gone.",
)
EDGE_SUPERSEDED: Final = REGISTRY.counter(
    "edge_superseded_total",
    "Sockets replaced by a newer one of the same station; from another address it may be a stolen key.",
    {"same_address": ("true", "false")},
)
EVENT_LOOP_LAG_SECONDS: Final = REGISTRY.histogram(
    "event_loop_lag_seconds", "How late the event loop wakes a timer; rises when something blocks it."
)

# ---- Streams -------------------------------------------------------------------------------------------------------

STREAM_LENGTH: Final = REGISTRY.gauge(
    "stream_length", "Entries in a stream; uplinks are near 0 when settled.", {"stream": OPEN}
)
STREAM_LAG: Final = REGISTRY.gauge(
    "stream_lag_messages",
    "Entries that no consumer has read yet; absent while unknown.",
    {"stream": OPEN, "group": OPEN},
)
STREAM_LAG_SECONDS: Final = REGISTRY.gauge(
    "stream_lag_seconds",
    "Age of the oldest unread entry; a rise means too few or stuck workers.",
    {"stream": OPEN, "group": OPEN},
)
STREAM_PENDING: Final = REGISTRY.gauge(
    "stream_pending_messages", "Entries read and not settled.", {"stream": OPEN, "group": OPEN}
)
STREAM_PENDING_SECONDS: Final = REGISTRY.gauge(
    "stream_pending_oldest_seconds",
    "Age of the oldest unsettled entry; a rise is a poison frame or a stuck worker.",
    {"stream": OPEN, "group": OPEN},
)
STREAM_DELETED_PENDING: Final = REGISTRY.counter(
    "stream_deleted_pending_total",
    "Unsettled entries that vanished from a stream: reports lost by a wrong trim. Must stay 0.",
)

# ---- Workers -------------------------------------------------------------------------------------------------------

WORKER_MESSAGES: Final = REGISTRY.counter(
    "worker_messages_total",
    "Uplink entries by action and outcome; conflicts are retried, duplicates answered again.",
    {"action": _entries, "result": ("ok", "duplicate", "stale", "late", "conflict", "invalid", "quarantined")},
)
WORKER_PHASE_SECONDS: Final = REGISTRY.histogram(
    "worker_phase_duration_seconds",
    "Time a batch spends in each phase; shows which part is slow.",
    {"phase": ("load", "decide", "commit", "settle")},
)
WORKER_END_TO_END_SECONDS: Final = REGISTRY.histogram(
    "worker_end_to_end_seconds", "From an entry's place on the uplink to its commit (Redis's time)."
)
WORKER_BATCH_FRAMES: Final = REGISTRY.histogram(
    "worker_batch_frames",
    "Entries per batch; the limit all the time means too few workers.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
WORKER_CLAIMS: Final = REGISTRY.counter(
    "worker_claims_total", "Entries taken over from a consumer that did not settle them: a worker died or hung."
)
WORKER_FENCED: Final = REGISTRY.counter(
    "worker_fenced_total", "Commits that the fence refused because another worker's came first."
)
WORKER_JOBS: Final = REGISTRY.counter(
    "worker_jobs_total", "Jobs by outcome.", {"function": OPEN, "result": ("ok", "failed")}
)
WORKER_JOB_SECONDS: Final = REGISTRY.histogram("worker_job_duration_seconds", "How long jobs run.", {"function": OPEN})
WORKER_QUEUE_JOBS: Final = REGISTRY.gauge("worker_queue_jobs", "Jobs waiting.", {"queue": OPEN})
WORKER_HEARTBEAT: Final = REGISTRY.gauge(
    "worker_last_heartbeat_timestamp_seconds",
    "When this worker last finished a round of its loop; standing still is a hang.",
)
QUARANTINE_MESSAGES: Final = REGISTRY.gauge("quarantine_messages", "Frames in quarantine, over all stations.")
QUARANTINE_ADDED: Final = REGISTRY.counter(
    "quarantine_added_total",
    "Frames put into quarantine; a rise is a new firmware or a bug of ours (poison).",
    {"reason": ("unreadable", "invalid", "unknown_action", "poison", "full", OTHER)},
)

# ---- Presence ------------------------------------------------------------------------------------------------------

STATIONS: Final = REGISTRY.gauge(
    "stations",
    "Stations by state; the same figure from every process.",
    {"state": ("online", "offline", "never_seen"), "protocol": _PROTOCOLS},
)
CONNECTORS: Final = REGISTRY.gauge(
    "connectors", "Connectors by their last reported status.", {"status": _CONNECTOR_STATUSES}
)
PRESENCE_TRANSITIONS: Final = REGISTRY.counter(
    "presence_transitions_total",
    "Stations that came or went, by how it was noticed; many by sweep mean that expiry events get lost.",
    {"to": ("online", "offline", "reconnecting"), "cause": ("connect", "close", "expiry", "sweep", "node")},
)
PRESENCE_DELAY_SECONDS: Final = REGISTRY.histogram(
    "presence_detection_delay_seconds",
    "From a presence deadline to the station being shown offline.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900),
)

# ---- Commands ------------------------------------------------------------------------------------------------------

COMMANDS: Final = REGISTRY.counter(
    "commands_total",
    "Commands by terminal state.",
    {"action": _actions, "result": ("accepted", "rejected", "error", "timed_out", "expired", "cancelled")},
)
COMMAND_SECONDS: Final = REGISTRY.histogram(
    "command_duration_seconds",
    "From a command's request to its terminal state.",
    {"action": _actions},
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
COMMANDS_INFLIGHT: Final = REGISTRY.gauge("commands_inflight", "Commands sent and not yet answered.")

# ---- Charging ------------------------------------------------------------------------------------------------------

TRANSACTIONS_ACTIVE: Final = REGISTRY.gauge("transactions_active", "Open transactions.", {"protocol": _PROTOCOLS[:3]})
TRANSACTIONS_STUCK: Final = REGISTRY.gauge(
    "transactions_stuck",
    "Open transactions without a sign of life for a day, or on a connector that was set free 15 min ago.",
)
TRANSACTIONS_ENDED: Final = REGISTRY.counter(
    "transactions_ended_total", "Transactions by how they ended.", {"reason": _STOP_REASONS}
)
ENERGY_JOULES: Final = REGISTRY.counter(
    "energy_delivered_joules_total", "Energy of ended transactions and of samples in open ones (1 Wh = 3,600 J)."
)
AUTHORIZATIONS: Final = REGISTRY.counter(
    "authorizations_total",
    "Decisions on id tags, at Authorize and StartTransaction.",
    {"status": ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")},
)
BOOT_NOTIFICATIONS: Final = REGISTRY.counter(
    "boot_notifications_total",
    "Boots by the registration answered; a rise is a power cut or a loop.",
    {"status": ("Accepted", "Pending", "Rejected")},
)
STATION_FAULTS: Final = REGISTRY.counter(
    "station_faults_total", "Errors that stations report of themselves.", {"error_code": _ERROR_CODES}
)
FIRMWARE_UPDATES: Final = REGISTRY.counter("firmware_updates_total", "Firmware states reported.", {"status": _FIRMWARE})
STATION_CLOCK_SKEW_SECONDS: Final = REGISTRY.histogram(
    "station_clock_skew_seconds",
    "Difference between a station's clock and Redis's, by its StatusNotifications.",
    buckets=(0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 86400),
)
SECURITY_EVENTS: Final = REGISTRY.counter(
    "security_events_total", "Security events that stations report.", {"severity": ("critical", "informational")}
)
QUIRKS: Final = REGISTRY.counter(
    "quirks_total", "Deviations from the standard that were tolerated, by kind.", {"quirk": OPEN}
)

# ---- Platform ------------------------------------------------------------------------------------------------------

REDIS_COMMAND_SECONDS: Final = REGISTRY.histogram(
    "redis_command_duration_seconds",
    "Round trips to Redis, a pipeline each, by the connection's purpose; rises with Redis's disk.",
    {"command": OPEN},
)
REDIS_ERRORS: Final = REGISTRY.counter(
    "redis_errors_total",
    "Failures at Redis.",
    {"kind": ("connection", "timeout", "loading", "readonly", "out_of_memory", "not_durable", OTHER)},
)
HTTP_SECONDS: Final = REGISTRY.histogram(
    "http_request_duration_seconds",
    "Requests at the operators' listener.",
    {"route": OPEN, "method": OPEN, "code": OPEN},
)
BUILD_INFO: Final = REGISTRY.gauge(
    "build_info", "Always 1; the labels tell what runs.", {"version": OPEN, "python": OPEN, "loop": OPEN}
)


def register_actions(inbound: Iterable[str], outbound: Iterable[str]) -> None:
    """Name the actions that may be label values, and let their series start at 0; called once per version at start.

    `inbound` are the actions of stations' CALLs, `outbound` those of ours.
    """
    from_station, to_station = sorted(inbound), sorted(outbound)
    _actions.update(from_station, to_station)
    _entries.update(from_station)
    answers = ("callresult", "callerror")
    EDGE_FRAMES.seed(("in", "call", action) for action in from_station)
    EDGE_FRAMES.seed(("out", kind, action) for kind in answers for action in from_station)
    EDGE_FRAMES.seed(("out", "call", action) for action in to_station)
    EDGE_FRAMES.seed(("in", kind, action) for kind in answers for action in to_station)
    EDGE_ACK_SECONDS.seed((action,) for action in from_station)
    results = WORKER_MESSAGES.label_sets["result"] or ()
    WORKER_MESSAGES.seed((action, result) for action in from_station for result in results)


def set_build_info(loop: str) -> None:
    """Publish version, Python and event loop of this process."""
    version = importlib.metadata.version("ampstream")
    BUILD_INFO.labels(version, platform.python_version(), loop).set(1)


def shows(name: str) -> bool:
    """Tell whether this process shows a family: a gauge that only workers know would be a wrong 0 from an edge."""
    if _role == "" or name.startswith(_EVERYWHERE):
        return True
    return name.startswith(_EDGE_ONLY) == (_role == "edge")


def show_as(role: Literal["", "edge", "worker"]) -> None:
    """Say what this process is; until then it shows every family."""
    global _role
    _role = role


async def exposition() -> bytes:
    """Return the text for `/metrics`, rendered on a thread: a thousand lines would hold the loop for 2 ms."""
    return await asyncio.to_thread(render)


def render() -> bytes:
    """Return Ampstream's families and the process's own (CPU, memory, descriptors, garbage collection)."""
    # Takes 30 ms to import, and only a process that serves needs it.
    from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest

    global _process
    if _process is None:
        _process = CollectorRegistry()
        ProcessCollector(registry=_process)
        GCCollector(registry=_process)
    return REGISTRY.render(shows).encode() + generate_latest(_process)
