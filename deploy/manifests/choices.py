"""What is decided for a cluster, and what follows from it and from the settings' defaults."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Final

from shared.settings import Settings, load, show

_ROOT: Final = Path(__file__).resolve().parents[2]
NAMESPACE: Final = "ampstream"
VERSION: Final[str] = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["version"]
IMAGE: Final = f"ampstream:{VERSION}"
USER: Final = 10001
"""The image's own."""

SECRET: Final = "ampstream-redis"  # noqa: S105  # its name
"""A Secret with two URLs, `edge` and `worker`: nobody can make it for you."""
SECRET_PATH: Final = "/run/secrets/ampstream/redis-url"  # noqa: S105

ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104  # a pod's own
CHANGED: Final = {
    "AMPSTREAM_STATION_HOST": ANY_ADDRESS,
    "AMPSTREAM_OPERATOR_HOST": ANY_ADDRESS,
    "AMPSTREAM_WORKER_HOST": ANY_ADDRESS,
    # Whose word on addresses counts is known where the ingress is: set it in an overlay. Until then nobody's does.
    "AMPSTREAM_TRUSTED_PROXIES": "",
    # Slower than elsewhere: a pod has the time, and the others get its stations in smaller waves.
    "AMPSTREAM_DRAIN_S": "60",
}
"""Settings that differ from their defaults."""
SETTINGS: Final[Settings] = load(CHANGED)
SETTINGS_DIGEST: Final = hashlib.sha256(json.dumps(CHANGED, sort_keys=True).encode()).hexdigest()[:16]
"""On every pod: changed settings roll them."""

EDGES: Final = (2, 10)
"""At least and at most."""
WORKERS: Final = (2, 8)
FILL: Final = 0.7
"""The part of `max_connections` at which another edge is asked for: what is left takes in an edge that dies."""
BYTES_A_STATION: Final = 32 * 1024
"""Twelve times what a connection at rest costs an edge: buffers and queues of those that talk."""
LAG_MESSAGES: Final = 500
"""Unread entries for each of which one more worker is asked for: about a tenth of a second's work."""
LAG_SECONDS: Final = 2
PRESTOP_S: Final = 5
"""A pod that ends stays reachable for so long, until everybody has heard that it is not in its Service any more."""
SPARE_S: Final = 10
PROMETHEUS: Final = "http://prometheus-operated.monitoring.svc:9090"
MONITORING: Final = "monitoring"
"""The namespace that scrapes."""
REDIS_PORT: Final = 6379
FILES_PATH: Final = "/srv/ampstream/files"
"""Where edges that serve files find them; in the image it belongs to `USER`."""
TLS_SECRET: Final = "ampstream-stations-tls"  # noqa: S105  # its name
"""A Secret of the type kubernetes.io/tls, as cert-manager makes them: the certificate that stations check."""
TLS_PATH: Final = "/run/secrets/stations-tls"
FILES_GI: Final = 50
"""Firmware for a fleet of many models, and a month of diagnostics and logs."""


def settings() -> dict[str, str]:
    """Return the ConfigMap's data: each value as its setting shows it."""
    return {name: show.shown(getattr(SETTINGS, name.removeprefix("AMPSTREAM_").lower())) for name in CHANGED}


def grace_s() -> int:
    """Return how long a pod may take to end: the way out of its Service, the drain, and a little."""
    return PRESTOP_S + int(SETTINGS.drain_s) + SPARE_S


def edge_memory_mi() -> int:
    """Return the memory that a full edge needs, in MiB."""
    return 256 + SETTINGS.max_connections * BYTES_A_STATION // 2**20


def connections_target() -> int:
    """Return the mean of connections above which another edge is asked for."""
    return int(SETTINGS.max_connections * FILL)
