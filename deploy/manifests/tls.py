"""TLS that ends at the edges, for stations: a component of kustomize, for who has a certificate for them.

Edges do not start without the certificate that they are told of, so it is for an overlay to ask for
(docs/deployment.md). Stations reach the port through a balancer of TCP: one that ended TLS would keep their
certificates to itself.
"""

from __future__ import annotations

from typing import Final

from deploy.manifests import choices, parts
from deploy.manifests.parts import APP, Object

NAME: Final = f"{APP}-stations-tls"
PORT: Final = "stations-tls"
"""The port's name."""


def objects() -> list[Object]:
    """Return the Service, and who may come: stations, wherever they are. Policies add up."""
    policy = {
        "podSelector": {"matchLabels": parts.selector("edge")},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"protocol": "TCP", "port": PORT}]}],
    }
    return [
        parts.service(NAME, "edge", PORT, choices.SETTINGS.tls_port),
        parts.named("NetworkPolicy", "networking.k8s.io/v1", NAME, "edge", spec=policy),
    ]


def patch() -> Object:
    """Return what edges get beside what they have: the certificate, the port, and the setting that opens it."""
    certificate = ":".join(f"{choices.TLS_PATH}/{name}" for name in ("tls.crt", "tls.key"))
    container = {
        "name": "edge",
        "env": [{"name": "AMPSTREAM_TLS_CERTIFICATES", "value": certificate}],
        "ports": [{"name": PORT, "containerPort": choices.SETTINGS.tls_port}],
        # The folder: where the Secret is renewed its files are others, and edges take them.
        "volumeMounts": [{"name": PORT, "mountPath": choices.TLS_PATH, "readOnly": True}],
    }
    pod = {"containers": [container], "volumes": [{"name": PORT, "secret": {"secretName": choices.TLS_SECRET}}]}
    meta = {"name": f"{APP}-edge", "namespace": choices.NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": {"spec": pod}}}
