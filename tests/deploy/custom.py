"""What of KEDA's and the Prometheus operator's resources is used here, strictly: an unknown or missing field fails.

Their schemas come with no package; these follow keda.sh/v1alpha1 (KEDA 2.14) and monitoring.coreos.com/v1 (0.73).
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec


class _Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Refuses what it does not know."""


class Meta(_Strict):
    """metadata."""

    name: str
    namespace: str
    labels: dict[str, str]


class Target(_Strict):
    """KEDA's scaleTargetRef."""

    api_version: Literal["apps/v1"]
    kind: Literal["Deployment"]
    name: str


class Fallback(_Strict):
    """How many where the triggers cannot be asked."""

    failure_threshold: int
    replicas: int


class Policy(_Strict):
    """One policy of a HorizontalPodAutoscaler's behaviour."""

    type: Literal["Pods", "Percent"]
    value: int
    period_seconds: int


class Scaling(_Strict):
    """Rules of one direction."""

    stabilization_window_seconds: int
    policies: list[Policy]


class Behavior(_Strict):
    """Rules of both."""

    scale_down: Scaling | None = None
    scale_up: Scaling | None = None


class Autoscaler(_Strict):
    """horizontalPodAutoscalerConfig."""

    behavior: Behavior


class Advanced(_Strict):
    """advanced."""

    horizontal_pod_autoscaler_config: Autoscaler


class Query(_Strict):
    """A Prometheus trigger's metadata; every value is a text."""

    server_address: str
    query: str
    threshold: str
    ignore_null_values: Literal["true", "false"]


class Trigger(_Strict):
    """One trigger."""

    type: Literal["prometheus"]
    name: str
    metadata: Query


class Scaled(_Strict):
    """A ScaledObject's spec."""

    scale_target_ref: Target
    polling_interval: int
    cooldown_period: int
    min_replica_count: int
    max_replica_count: int
    fallback: Fallback
    advanced: Advanced
    triggers: list[Trigger]


class ScaledObject(_Strict):
    """KEDA's ScaledObject."""

    api_version: Literal["keda.sh/v1alpha1"]
    kind: Literal["ScaledObject"]
    metadata: Meta
    spec: Scaled


class Matching(_Strict):
    """A label selector."""

    match_labels: dict[str, str]


class Endpoint(_Strict):
    """Where a Service's pods are scraped."""

    port: str
    path: str
    interval: str
    scrape_timeout: str


class Monitoring(_Strict):
    """A ServiceMonitor's spec."""

    selector: Matching
    endpoints: list[Endpoint]


class ServiceMonitor(_Strict):
    """The Prometheus operator's ServiceMonitor."""

    api_version: Literal["monitoring.coreos.com/v1"]
    kind: Literal["ServiceMonitor"]
    metadata: Meta
    spec: Monitoring


CUSTOM: Final[dict[str, type[_Strict]]] = {"ScaledObject": ScaledObject, "ServiceMonitor": ServiceMonitor}


def read(found: Any) -> Any:
    """Return a custom resource as its Struct; raises `msgspec.ValidationError`."""
    return msgspec.convert(found, CUSTOM[found["kind"]])
