"""The path of a frame: rate, errors and duration, and the queues."""

from typing import Final

from grafana.builder.dashboards import Dashboard, Row
from grafana.builder.panels import Panel
from grafana.builder.queries import buckets, fleet, mean, per_minute, quantile, rate, select
from shared import metrics

from .common import GREY, PERCENTILES, SLOW, answered_in_time, quantiles

_RESULTS: Final = (
    *(("ok", "green"), ("duplicate", "blue"), ("late", "purple"), ("stale", GREY)),
    *(("conflict", "yellow"), ("invalid", "orange"), ("quarantined", "red")),
)

_LEVEL: Final = Row(
    "Service level",
    (
        answered_in_time(),
        Panel(
            "Budget burn over 1 h",
            "How fast the month's error budget burns: 1 lasts the month, 14.4 wakes somebody.",
            ((f"{SLOW}1h / 0.001", ""),),
            unit="short",
            kind="stat",
            width=6,
            height=5,
            steps=((1, "orange"), (14.4, "red")),
            runbooks=("AckLatencyBudgetBurnFast",),
        ),
        Panel(
            "Seconds since a worker lived",
            "Age of the newest heartbeat of all workers.",
            ((f"time() - max({select(metrics.WORKER_HEARTBEAT)})", ""),),
            unit="s",
            kind="stat",
            width=6,
            height=5,
            steps=((10, "orange"), (30, "red")),
            runbooks=("WorkersAbsent",),
        ),
        Panel(
            "In quarantine",
            "Frames that nobody understood and that wait for a person.",
            ((fleet(metrics.QUARANTINE_MESSAGES), ""),),
            kind="stat",
            width=6,
            height=5,
            steps=((1, "orange"),),
            runbooks=("QuarantineGrowing",),
        ),
    ),
)
_FRAMES: Final = Row(
    "Frames: rate, errors, duration",
    (
        Panel(
            "CALLs from stations",
            "A second, by action.",
            ((rate(metrics.EDGE_FRAMES, "action", direction="in", type="call"), "{{action}}"),),
            unit="ops",
            width=12,
            stacked=True,
            beside=True,
        ),
        Panel(
            "Entries by outcome",
            "What workers made of entries, a second; conflicts are retried, duplicates answered again.",
            ((rate(metrics.WORKER_MESSAGES, "result"), "{{result}}"),),
            unit="ops",
            width=12,
            beside=True,
            log=True,
            colours=_RESULTS,
            runbooks=("QuarantineGrowing",),
        ),
        Panel(
            "Put into quarantine",
            "Frames a minute by reason: poison is a defect of ours, the others are a firmware.",
            ((per_minute(metrics.QUARANTINE_ADDED, "reason"), "{{reason}}"),),
            unit="opm",
            colours=(("poison", "red"), ("unreadable", "purple"), ("unknown_action", "yellow"), ("invalid", "orange")),
            runbooks=("QuarantineGrowing",),
        ),
        Panel(
            "Time to answer",
            "From a CALL's arrival to its answer on the socket. What was never answered counts as 10 s or more.",
            quantiles(metrics.EDGE_ACK_SECONDS),
            unit="s",
            log=True,
            colours=PERCENTILES,
            steps=((0.5, "red"),),
            runbooks=("AckLatencyBudgetBurnFast", "AckLatencyBudgetBurnSlow"),
        ),
        Panel(
            "Time to answer, spread",
            "How many answers took how long.",
            ((buckets(metrics.EDGE_ACK_SECONDS), "{{le}}"),),
            unit="s",
            kind="heatmap",
        ),
        Panel(
            "Time to answer by action, p99",
            "The slowest hundredth of each action.",
            ((quantile(0.99, metrics.EDGE_ACK_SECONDS, "action"), "{{action}}"),),
            unit="s",
            width=12,
            log=True,
            beside=True,
            steps=((0.5, "red"),),
        ),
        Panel(
            "Phases of a batch, mean",
            "Time that a worker's batch spends in each phase; shows which part is slow.",
            ((mean(metrics.WORKER_PHASE_SECONDS, "phase"), "{{phase}}"),),
            unit="s",
            width=12,
            stacked=True,
        ),
        Panel(
            "Append at the edge",
            "From a frame's arrival to its durable place on the uplink; rises with Redis's disk.",
            quantiles(metrics.EDGE_INGEST_SECONDS),
            unit="s",
            width=8,
            log=True,
            colours=PERCENTILES,
            runbooks=("AckLatencyBudgetBurnFast",),
        ),
        Panel(
            "Wait in the stream",
            "From an entry's place on the uplink until a worker takes it up; rises where there are too few workers.",
            quantiles(metrics.STREAM_WAIT_SECONDS),
            unit="s",
            width=8,
            log=True,
            colours=PERCENTILES,
        ),
        Panel(
            "Uplink to commit",
            "From an entry's place on the uplink to its commit.",
            quantiles(metrics.WORKER_END_TO_END_SECONDS),
            unit="s",
            width=8,
            log=True,
            colours=PERCENTILES,
        ),
    ),
)
_QUEUES: Final = Row(
    "Queues: use, saturation",
    (
        Panel(
            "Unread entries",
            "Entries that no worker has read yet, by partition.",
            ((fleet(metrics.STREAM_LAG, "stream", "group"), "{{stream}}"),),
            runbooks=("StreamLagHigh",),
        ),
        Panel(
            "Age of the oldest unread",
            "By partition; above 10 s for a minute somebody is woken.",
            ((fleet(metrics.STREAM_LAG_SECONDS, "stream", "group"), "{{stream}}"),),
            unit="s",
            steps=((10, "red"),),
            runbooks=("StreamLagHigh",),
        ),
        Panel(
            "Age of the oldest unsettled",
            "Read by a worker, not settled; takeover comes after some seconds, so minutes mean that it is stuck.",
            ((fleet(metrics.STREAM_PENDING_SECONDS, "stream", "group"), "{{stream}}"),),
            unit="s",
            steps=((120, "orange"),),
            runbooks=("PendingEntriesStuck",),
        ),
        Panel(
            "Entries per batch, mean",
            "Near the limit all the time means too few workers.",
            ((mean(metrics.WORKER_BATCH_FRAMES, "instance"), "{{instance}}"),),
        ),
        Panel(
            "Taken over, fenced, lost",
            "A second: entries taken over from a dead worker, commits that the fence refused, lost (must stay 0); and "
            "kept states that another worker had changed, which several workers always have.",
            (
                (rate(metrics.WORKER_CLAIMS), "taken over"),
                (rate(metrics.WORKER_FENCED), "fenced"),
                (rate(metrics.WORKER_KEPT_OUTDATED), "kept, outdated"),
                (rate(metrics.STREAM_DELETED_PENDING), "lost"),
            ),
            unit="ops",
            runbooks=("PendingEntriesDeleted", "PendingEntriesStuck"),
        ),
        Panel(
            "Loops, p99 of lag",
            "How late each process's event loop wakes a timer; above 0.25 s it is blocked or has no CPU.",
            ((quantile(0.99, metrics.EVENT_LOOP_LAG_SECONDS, "job", "instance"), "{{job}} {{instance}}"),),
            unit="s",
            log=True,
            steps=((0.25, "orange"),),
            runbooks=("EventLoopBlocked",),
        ),
    ),
)
_REDIS: Final = Row(
    "Redis, as our processes see it",
    (
        Panel(
            "Round trips to Redis, p99",
            "By what the connection is for; rises with Redis's load and disk.",
            ((quantile(0.99, metrics.REDIS_COMMAND_SECONDS, "command"), "{{command}}"),),
            unit="s",
            width=12,
            log=True,
            runbooks=("AckLatencyBudgetBurnFast",),
        ),
        Panel(
            "Failures at Redis",
            "A second, by kind.",
            ((rate(metrics.REDIS_ERRORS, "kind"), "{{kind}}"),),
            unit="ops",
            width=12,
            runbooks=("RedisPersistenceFailing",),
        ),
    ),
)

PIPELINE: Final = Dashboard(
    "ampstream-pipeline",
    "Ampstream: Pipeline",
    "From a frame's arrival to its answer: where is the time lost, what fails, which queue stands?",
    (_LEVEL, _FRAMES, _QUEUES, _REDIS),
)
