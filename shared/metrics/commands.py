"""Commands to stations, and jobs that send them to many."""

from typing import Final

from shared.metrics.base import ACTIONS, REGISTRY

COMMANDS: Final = REGISTRY.counter(
    "commands_total",
    "Commands by terminal state; a rise of timed_out is stations that hang, of expired ones that stay away.",
    {"action": ACTIONS, "result": ("accepted", "rejected", "error", "timed_out", "expired", "cancelled")},
)
COMMAND_SECONDS: Final = REGISTRY.histogram(
    "command_duration_seconds",
    "From a command's request to its terminal state; rises with stations that are slow, asleep or away.",
    {"action": ACTIONS},
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
COMMANDS_INFLIGHT: Final = REGISTRY.gauge(
    "commands_inflight", "Commands sent and not yet answered; a rise is stations that do not answer."
)
BULK_JOBS: Final = REGISTRY.gauge(
    "bulk_jobs",
    "Jobs over many stations that have not ended; one that stays is paused, or waits for stations that are offline.",
    {"state": ("running", "paused", "cancelled")},
)
BULK_JOB_RESULTS: Final = REGISTRY.counter(
    "bulk_job_results_total",
    "Stations of jobs by how they ended; refused: the command was never queued. A rise of timed_out: pause it.",
    {"outcome": ("accepted", "rejected", "error", "timed_out", "expired", "cancelled", "refused")},
)
