"""Edges: they hold stations' sockets, so they grow by connections and shrink slowly."""

from __future__ import annotations

from deploy.manifests import choices, parts
from deploy.manifests.parts import APP, Object
from shared import metrics

_SETTINGS = choices.SETTINGS


def objects() -> list[Object]:
    """Return all that makes edges."""
    memory = f"{choices.edge_memory_mi()}Mi"
    ports = {"stations": _SETTINGS.station_port, "operators": _SETTINGS.http_port}
    container = parts.container(
        "edge", ports, "operators", {"requests": {"cpu": "500m", "memory": memory}, "limits": {"memory": memory}}
    )
    return [
        parts.deployment("edge", container),
        # A connection lives for days: who dials anew goes to any edge, who is connected stays.
        parts.service(f"{APP}-stations", "edge", "stations", _SETTINGS.station_port),
        parts.service(f"{APP}-operators", "edge", "operators", _SETTINGS.http_port),
        *parts.scraped("edge", "operators", _SETTINGS.http_port),
        _autoscaler(),
        parts.budget("edge"),
    ]


def _autoscaler() -> Object:
    """Return the autoscaler on connections, which an adapter takes from Prometheus (docs/deployment.md)."""
    least, most = choices.EDGES
    connections = {
        "type": "Pods",
        "pods": {
            "metric": {"name": metrics.EDGE_CONNECTIONS.name},
            "target": {"type": "AverageValue", "averageValue": str(choices.connections_target())},
        },
    }
    behavior = {
        # A new edge takes no station from the others, only who dials: more than one at a time helps little.
        "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]},
        # Each edge that goes sends its stations to the others: seldom, and one after the other.
        "scaleDown": {
            "stabilizationWindowSeconds": 1800,
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 600}],
        },
    }
    spec = {
        "scaleTargetRef": parts.target("edge"),
        "minReplicas": least,
        "maxReplicas": most,
        "metrics": [connections],
        "behavior": behavior,
    }
    return parts.named("HorizontalPodAutoscaler", "autoscaling/v2", f"{APP}-edge", "edge", spec=spec)
