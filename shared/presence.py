"""How long a station counts as there without a sign of life."""

from __future__ import annotations

from shared.settings import Settings


def ttl_ms(interval_s: float, settings: Settings) -> int:
    """Return the TTL for a station heard of every `interval_s` seconds (0: not known, the default interval)."""
    wanted = 2 * (interval_s or settings.heartbeat_interval_s) + settings.presence_grace_s
    return int(min(max(wanted, settings.presence_min_s), settings.presence_max_s) * 1000)
