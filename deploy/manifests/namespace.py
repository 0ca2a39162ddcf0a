"""The namespace: what may run there, its settings, and who may talk to whom."""

from __future__ import annotations

from typing import Any, Final

from deploy.manifests import choices, parts
from deploy.manifests.parts import APP, Component, Object

MARKED: Final = {"ampstream/operators": "true"}
"""The label of namespaces from which the API may be asked: that of the ingress, say."""
_NAMESPACE: Final = "kubernetes.io/metadata.name"
_SETTINGS = choices.SETTINGS


def objects() -> list[Object]:
    """Return the namespace itself."""
    restricted = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    meta = {"name": choices.NAMESPACE, "labels": parts.labels() | restricted}
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": meta}]


def settings() -> list[Object]:
    """Return the settings that all pods share."""
    return [parts.named("ConfigMap", "v1", APP, None, data=choices.settings())]


def networks() -> list[Object]:
    """Return who may talk to whom: what is not said is forbidden. The kubelet's probes are always allowed."""
    nobody = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    scraping = {"namespaceSelector": {"matchLabels": {_NAMESPACE: choices.MONITORING}}}
    # Stations come through an ingress or a balancer, which may be anywhere; operators from namespaces that are marked.
    from_stations = {"ports": [_tcp("stations")]}
    from_operators = {"from": [{"namespaceSelector": {"matchLabels": MARKED}}], "ports": [_tcp("operators")]}
    return [
        parts.named("NetworkPolicy", "networking.k8s.io/v1", f"{APP}-nobody", None, spec=nobody),
        _policy("edge", [from_stations, from_operators, {"from": [scraping], "ports": [_tcp("operators")]}]),
        _policy("worker", [{"from": [scraping], "ports": [_tcp("health")]}]),
    ]


def _policy(component: Component, ingress: list[Object]) -> Object:
    dns = {
        "to": [{"namespaceSelector": {"matchLabels": {_NAMESPACE: "kube-system"}}}],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }
    spec: dict[str, Any] = {
        "podSelector": {"matchLabels": parts.selector(component)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        # Names, and Redis wherever it is; nothing else.
        "egress": [dns, {"ports": [{"protocol": "TCP", "port": choices.REDIS_PORT}]}],
    }
    return parts.named("NetworkPolicy", "networking.k8s.io/v1", f"{APP}-{component}", component, spec=spec)


def _tcp(port: str) -> Object:
    return {"protocol": "TCP", "port": port}
