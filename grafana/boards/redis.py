"""Redis, as redis_exporter sees it; what our own processes see of it is on the pipeline's."""

from typing import Final

from grafana.builder.dashboards import Dashboard, Row
from grafana.builder.panels import Panel
from grafana.builder.queries import foreign, foreign_rate

_GOOD: Final = ("redis_aof_enabled", "redis_aof_last_write_status", "redis_aof_last_bgrewrite_status")
_PERSISTS: Final = " * ".join(f"min({foreign(name)})" for name in _GOOD)

_HEALTH: Final = Row(
    "Is it healthy?",
    (
        Panel(
            "Up",
            "Whether redis_exporter reaches it.",
            ((f"min({foreign('redis_up')})", ""),),
            kind="stat",
            width=6,
            height=5,
            base="red",
            steps=((1, "green"),),
            words=((0, "down"), (1, "up")),
            runbooks=("TargetDown",),
        ),
        Panel(
            "Append-only file",
            "Whether it is on, and its last write and rewrite went well.",
            ((_PERSISTS, ""),),
            kind="stat",
            width=6,
            height=5,
            base="red",
            steps=((1, "green"),),
            words=((0, "failing"), (1, "written")),
            runbooks=("RedisPersistenceFailing",),
        ),
        Panel(
            "Memory used",
            "Share of maxmemory; at 85 % edges send stations away. Empty: no maxmemory is set.",
            ((f"max({foreign('redis_memory_used_bytes')} / ({foreign('redis_memory_max_bytes')} > 0))", ""),),
            unit="percentunit",
            kind="gauge",
            width=6,
            height=5,
            steps=((0.75, "orange"), (0.85, "red")),
            limits=(0, 1),
            runbooks=("RedisMemoryHigh",),
        ),
        Panel(
            "Evicted keys",
            "Must stay 0: maxmemory-policy has to be noeviction.",
            ((f"sum({foreign('redis_evicted_keys_total')})", ""),),
            kind="stat",
            width=6,
            height=5,
            steps=((1, "red"),),
            runbooks=("PendingEntriesDeleted",),
        ),
    ),
)
_LOAD: Final = Row(
    "Load",
    (
        Panel(
            "Commands",
            "Commands a second.",
            ((foreign_rate("redis_commands_processed_total", "instance"), "{{instance}}"),),
            unit="ops",
            width=12,
        ),
        Panel(
            "Network",
            "Bytes a second.",
            (
                (foreign_rate("redis_net_input_bytes_total", "instance"), "in {{instance}}"),
                (foreign_rate("redis_net_output_bytes_total", "instance"), "out {{instance}}"),
            ),
            unit="Bps",
            width=12,
        ),
        Panel(
            "Busiest commands",
            "The five commands that take most time: share of a core.",
            ((f"topk(5, {foreign_rate('redis_commands_duration_seconds_total', 'cmd')})", "{{cmd}}"),),
            unit="percentunit",
            width=24,
            beside=True,
        ),
        Panel(
            "CPU",
            "Cores; commands run on one, syncs and rewrites beside it.",
            (
                (foreign_rate("redis_cpu_user_seconds_total", "instance"), "user {{instance}}"),
                (foreign_rate("redis_cpu_sys_seconds_total", "instance"), "system {{instance}}"),
            ),
            steps=((0.9, "orange"),),
            runbooks=("StreamLagHigh",),
        ),
        Panel(
            "Memory",
            "What its data takes, and what the process has of the machine.",
            (
                (foreign("redis_memory_used_bytes"), "used {{instance}}"),
                (foreign("redis_memory_used_rss_bytes"), "resident {{instance}}"),
            ),
            unit="bytes",
            runbooks=("RedisMemoryHigh",),
        ),
        Panel(
            "Size of the append-only file",
            "A rewrite needs as much again on the disk.",
            ((foreign("redis_aof_current_size_bytes"), "{{instance}}"),),
            unit="bytes",
            runbooks=("RedisPersistenceFailing",),
        ),
        Panel(
            "Slow fork",
            "How long the last fork for a rewrite stopped Redis.",
            ((foreign("redis_latest_fork_seconds"), "{{instance}}"),),
            unit="s",
            steps=((0.5, "orange"),),
            runbooks=("AckLatencyBudgetBurnSlow",),
        ),
        Panel(
            "Clients",
            "Connections; each edge and worker holds a few.",
            ((foreign("redis_connected_clients"), "{{instance}}"),),
        ),
        Panel(
            "Keys",
            "Keys by database, and those with a time to live: presences and kept answers.",
            (
                (foreign("redis_db_keys"), "{{db}}"),
                (foreign("redis_db_keys_expiring"), "{{db}}, expiring"),
            ),
        ),
    ),
)
REDIS: Final = Dashboard(
    "ampstream-redis",
    "Ampstream: Redis",
    "Does Redis persist, is there room, what is it busy with? From redis_exporter.",
    (_HEALTH, _LOAD),
    home="redis_up",
)
