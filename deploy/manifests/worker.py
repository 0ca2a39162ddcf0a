"""Workers: they share the streams, so they grow by what waits there."""

from __future__ import annotations

from deploy.manifests import choices, parts
from deploy.manifests.parts import APP, Object
from shared import metrics
from shared.bus import keys
from shared.series import AnyFamily

_SETTINGS = choices.SETTINGS


def objects() -> list[Object]:
    """Return all that makes workers."""
    resources = {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}
    container = parts.container("worker", {"health": _SETTINGS.worker_port}, "health", resources)
    return [
        parts.deployment("worker", container),
        *parts.scraped("worker", "health", _SETTINGS.worker_port),
        _scaled(),
        parts.budget("worker"),
    ]


def _scaled() -> Object:
    """Return KEDA's ScaledObject.

    It asks Prometheus, not Redis: after a deletion Redis does not know a group's lag, and each settled entry is
    deleted. Every worker shows the same figures, so they are not added up.
    """
    least, most = choices.WORKERS
    spec = {
        "scaleTargetRef": parts.target("worker"),
        "pollingInterval": 15,
        "cooldownPeriod": 300,
        "minReplicaCount": least,
        "maxReplicaCount": most,
        # Without Prometheus: more than the floor, since nobody knows what waits.
        "fallback": {"failureThreshold": 4, "replicas": (least + most) // 2},
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "behavior": {
                    "scaleDown": {
                        "stabilizationWindowSeconds": 600,
                        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}],
                    }
                }
            }
        },
        "triggers": [
            _trigger("lag", f"sum({_each(metrics.STREAM_LAG)})", choices.LAG_MESSAGES),
            _trigger("age", f"max({_each(metrics.STREAM_LAG_SECONDS)})", choices.LAG_SECONDS),
        ],
    }
    return parts.named("ScaledObject", "keda.sh/v1alpha1", f"{APP}-worker", "worker", spec=spec)


def _each(family: AnyFamily) -> str:
    return f'max by (stream) ({family.name}{{group="{keys.GROUP}"}})'


def _trigger(name: str, query: str, threshold: int) -> Object:
    # No series is no lag: a worker that has just started shows none.
    metadata = {
        "serverAddress": choices.PROMETHEUS,
        "query": f"{query} or vector(0)",
        "threshold": str(threshold),
        "ignoreNullValues": "true",
    }
    return {"type": "prometheus", "name": name, "metadata": metadata}
