"""Files that stations fetch and leave: a component of kustomize, for who has a volume that all edges can share.

Not every cluster has one, and edges that wait for a claim that nobody fulfils serve no station: so it is for an overlay
to ask for (docs/deployment.md). How stations reach the port is a setting that nobody can make for you.
"""

from __future__ import annotations

from typing import Final

from deploy.manifests import choices, parts
from deploy.manifests.parts import APP, Object

NAME: Final = f"{APP}-files"
PORT: Final = "files"
"""The port's name."""


def objects() -> list[Object]:
    """Return the claim, the Service, and who may come: stations, wherever they are. Policies add up."""
    claim = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": f"{choices.FILES_GI}Gi"}},
    }
    policy = {
        "podSelector": {"matchLabels": parts.selector("edge")},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"protocol": "TCP", "port": PORT}]}],
    }
    return [
        parts.named("PersistentVolumeClaim", "v1", NAME, "edge", spec=claim),
        parts.service(NAME, "edge", PORT, choices.SETTINGS.transfer_port),
        parts.named("NetworkPolicy", "networking.k8s.io/v1", NAME, "edge", spec=policy),
    ]


def patch() -> Object:
    """Return what edges get beside what they have: the volume, the port, and the settings that open it."""
    variables = {"AMPSTREAM_TRANSFER_DIR": choices.FILES_PATH, "AMPSTREAM_TRANSFER_HOST": choices.ANY_ADDRESS}
    container = {
        "name": "edge",
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "ports": [{"name": PORT, "containerPort": choices.SETTINGS.transfer_port}],
        "volumeMounts": [{"name": PORT, "mountPath": choices.FILES_PATH}],
    }
    pod = {
        # The volume is given to the pods' group once, not file by file at the start of each pod.
        "securityContext": {"fsGroupChangePolicy": "OnRootMismatch"},
        "containers": [container],
        "volumes": [{"name": PORT, "persistentVolumeClaim": {"claimName": NAME}}],
    }
    meta = {"name": f"{APP}-edge", "namespace": choices.NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": {"spec": pod}}}
