"""What the objects share."""

from __future__ import annotations

from typing import Any, Final, Literal

from deploy.manifests import choices

Object = dict[str, Any]
Component = Literal["edge", "worker"]
APP: Final = "ampstream"
HOSTNAME: Final = "kubernetes.io/hostname"
ZONE: Final = "topology.kubernetes.io/zone"


def labels(component: Component | None = None) -> dict[str, str]:
    """Return the labels of an object, or of every object of the system."""
    return selector(component) | {"app.kubernetes.io/version": choices.VERSION}


def selector(component: Component | None = None) -> dict[str, str]:
    """Return the labels that never change, by which pods are found."""
    own = {"app.kubernetes.io/component": component} if component else {}
    return {"app.kubernetes.io/name": APP, **own}


def named(kind: str, version: str, name: str, component: Component | None, **fields: Any) -> Object:
    """Return an object of the namespace."""
    meta = {"name": name, "namespace": choices.NAMESPACE, "labels": labels(component)}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **fields}


def deployment(component: Component, container: Object) -> Object:
    """Return a Deployment whose pods are confined, spread, and drained before they end.

    It says no number of replicas: that is its autoscaler's, and applying the file again must not undo it.
    """
    spec = {
        "revisionHistoryLimit": 5,
        "selector": {"matchLabels": selector(component)},
        # Never fewer than there were: a new pod serves before an old one is drained.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "minReadySeconds": 10,
        "template": {
            "metadata": {"labels": labels(component), "annotations": {"ampstream/settings": choices.SETTINGS_DIGEST}},
            "spec": _pod(component, container),
        },
    }
    return named("Deployment", "apps/v1", f"{APP}-{component}", component, spec=spec)


def _pod(component: Component, container: Object) -> Object:
    volumes = [
        {"name": "redis", "secret": {"secretName": choices.SECRET, "items": [{"key": component, "path": "redis-url"}]}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": choices.grace_s(),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": choices.USER,
            "runAsGroup": choices.USER,
            "fsGroup": choices.USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [_spread(component, HOSTNAME), _spread(component, ZONE)],
        "containers": [container],
        "volumes": volumes,
    }


def _spread(component: Component, over: str) -> Object:
    return {
        "maxSkew": 1,
        "topologyKey": over,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(component)},
    }


def container(component: Component, ports: dict[str, int], health: str, resources: Object) -> Object:
    """Return the container of a pod; `health` is the name of the port that tells how it is."""
    return {
        "name": component,
        "image": choices.IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": [component],
        "env": [{"name": "AMPSTREAM_REDIS_URL_FILE", "value": choices.SECRET_PATH}],
        "envFrom": [{"configMapRef": {"name": APP}}],
        "ports": [{"name": name, "containerPort": port} for name, port in ports.items()],
        # The process lives, with Redis or without: only then does a restart not help.
        "startupProbe": _probe("/healthz", health, every_s=1, times=30),
        "livenessProbe": _probe("/healthz", health, every_s=10, times=3),
        # It has Redis, is below its limits and does not drain: new work may come.
        "readinessProbe": _probe("/readyz", health, every_s=2, times=2),
        # SIGTERM begins the drain; before that, everybody must have heard that nothing new goes here.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(choices.PRESTOP_S)]}}},
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "redis", "mountPath": choices.SECRET_PATH.rpartition("/")[0], "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  # the pod's own
        ],
    }


def _probe(path: str, port: str, *, every_s: int, times: int) -> Object:
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": every_s,
        "timeoutSeconds": 2,
        "failureThreshold": times,
    }


def budget(component: Component) -> Object:
    """Return a PodDisruptionBudget: nodes are emptied one pod after the other."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": selector(component)}}
    return named("PodDisruptionBudget", "policy/v1", f"{APP}-{component}", component, spec=spec)


def service(name: str, component: Component, port: str, number: int, **spec: Any) -> Object:
    """Return a Service for one port of a component's pods."""
    ports = [{"name": port, "port": number, "targetPort": port}]
    return named("Service", "v1", name, component, spec={"selector": selector(component), "ports": ports, **spec})


def scraped(component: Component, port: str, number: int) -> list[Object]:
    """Return the headless Service and its ServiceMonitor; the Service's name is the job's, which alerts go by.

    Pods that are not ready are scraped too: how an edge drains is of interest.
    """
    name = f"{APP}-{component}"
    monitor = {
        "selector": {"matchLabels": selector(component) | {"ampstream/scraped": "true"}},
        "endpoints": [{"port": port, "path": "/metrics", "interval": "15s", "scrapeTimeout": "10s"}],
    }
    found = service(name, component, port, number, clusterIP="None", publishNotReadyAddresses=True)
    found["metadata"]["labels"]["ampstream/scraped"] = "true"
    return [found, named("ServiceMonitor", "monitoring.coreos.com/v1", name, component, spec=monitor)]


def target(component: Component) -> Object:
    """Return a reference to a component's Deployment."""
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{APP}-{component}"}
