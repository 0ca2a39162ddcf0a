"""A worker: the batches, their phases, its jobs, and what it could not understand."""

from typing import Final

from shared.metrics.base import ENTRIES, REGISTRY
from shared.series import OPEN, OTHER

WORKER_MESSAGES: Final = REGISTRY.counter(
    "worker_messages_total",
    "Uplink entries by action and outcome; conflicts are retried, duplicates answered again.",
    {"action": ENTRIES, "result": ("ok", "duplicate", "stale", "late", "conflict", "invalid", "quarantined")},
)
WORKER_PHASE_SECONDS: Final = REGISTRY.histogram(
    "worker_phase_duration_seconds",
    "Time a batch spends in each phase; shows which part is slow.",
    {"phase": ("load", "decide", "commit", "settle")},
)
WORKER_END_TO_END_SECONDS: Final = REGISTRY.histogram(
    "worker_end_to_end_seconds",
    "From an entry's place on the uplink to its commit; rises with the wait for a worker, or with Redis's disk.",
)
WORKER_BATCH_FRAMES: Final = REGISTRY.histogram(
    "worker_batch_frames",
    "Entries per batch; the limit all the time means too few workers.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
WORKER_KEPT_OUTDATED: Final = REGISTRY.counter(
    "worker_kept_outdated_total",
    "Kept states that another worker had changed meanwhile, so that they were read again; rises with more workers.",
)
WORKER_CLAIMS: Final = REGISTRY.counter(
    "worker_claims_total", "Entries taken over from a consumer that did not settle them: a worker died or hung."
)
WORKER_FENCED: Final = REGISTRY.counter(
    "worker_fenced_total",
    "Commits that the fence refused because another worker's came first; a rise is workers that pause and come back.",
)
WORKER_JOBS: Final = REGISTRY.counter(
    "worker_jobs_total",
    "Jobs by outcome; failed ones run again, and stand in the log.",
    {"function": OPEN, "result": ("ok", "failed")},
)
WORKER_JOB_SECONDS: Final = REGISTRY.histogram(
    "worker_job_duration_seconds", "How long jobs run; a rise is more to look at, or a slow Redis.", {"function": OPEN}
)
WORKER_QUEUE_JOBS: Final = REGISTRY.gauge(
    "worker_queue_jobs", "Jobs waiting; a rise is jobs that hang, or no worker that runs them.", {"queue": OPEN}
)
WORKER_HEARTBEAT: Final = REGISTRY.gauge(
    "worker_last_heartbeat_timestamp_seconds",
    "When this worker last finished a round of its loop; standing still is a hang.",
)
QUARANTINE_MESSAGES: Final = REGISTRY.gauge(
    "quarantine_messages", "Frames in quarantine, over all stations; they wait for somebody who looks at them."
)
QUARANTINE_ADDED: Final = REGISTRY.counter(
    "quarantine_added_total",
    "Frames put into quarantine; a rise is a new firmware or a bug of ours (poison).",
    {"reason": ("unreadable", "invalid", "unknown_action", "poison", "full", OTHER)},
)
