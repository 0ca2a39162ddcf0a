"""The Kubernetes manifests: valid, fresh, drained, confined, and fitting each other and the system."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import msgspec
import promql_parser
import pytest
import yaml

from deploy import __main__ as command
from deploy.manifests import choices, output
from shared import metrics
from shared.settings import load
from tests.chaos.harness.processes import ROOT
from tests.deploy import custom

FOLDER: Final = ROOT / "deploy" / "kubernetes"
VERSIONS: Final = ("1.29", "1.37")
OBJECTS: Final = [
    (path.name, found)
    for path in sorted(FOLDER.glob("*.yaml"))
    for found in yaml.safe_load_all(path.read_text())
    if found["kind"] != "Kustomization"
]
BUILT_IN: Final = [found for _, found in OBJECTS if found["kind"] not in custom.CUSTOM]
CUSTOM: Final = [found for _, found in OBJECTS if found["kind"] in custom.CUSTOM]


def named(found: Any) -> str:
    """Return how an object is called."""
    return f"{found['kind']} {found['metadata']['name']}"


def of(kind: str, name: str) -> Any:
    """Return one object."""
    (found,) = [each for _, each in OBJECTS if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def pod(component: str) -> Any:
    """Return a component's pod template."""
    return of("Deployment", f"ampstream-{component}")["spec"]["template"]


def main_of(component: str) -> Any:
    """Return its one container."""
    (found,) = pod(component)["spec"]["containers"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("found", BUILT_IN, ids=named)
def test_each_object_follows_its_schema(found: Any, version: str) -> None:
    """Every object of Kubernetes itself is valid in old and new versions, without a field that these do not know."""
    kubernetes_validate.validate(found, version, strict=True)


def test_a_wrong_field_is_noticed() -> None:
    """The check is one: a misspelt field and a number for a text are refused, in custom resources too."""
    wrong = copy.deepcopy(of("Deployment", "ampstream-edge"))
    wrong["spec"]["template"]["spec"]["terminationGracePeriod"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)
    wrong = copy.deepcopy(of("ScaledObject", "ampstream-worker"))
    wrong["spec"]["triggers"][0]["metadata"]["threshold"] = 5
    with pytest.raises(msgspec.ValidationError):
        custom.read(wrong)


@pytest.mark.parametrize("found", CUSTOM, ids=named)
def test_each_custom_resource_has_the_fields_that_it_must(found: Any) -> None:
    """KEDA's and the Prometheus operator's objects have known fields of the right types."""
    custom.read(found)


def test_they_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    """What is committed is what the builder makes."""
    assert command.main(["--check"]) == 0, capsys.readouterr().out


def test_what_is_stale_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed, a missing and a left-over file are named, and writing mends all three."""
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    assert command.main([]) == 0
    edge, worker, old = (tmp_path / "kubernetes" / f"{name}.yaml" for name in ("edge", "worker", "old"))
    edge.write_text("changed")
    worker.unlink()
    old.write_text("left over")
    capsys.readouterr()
    assert command.main(["--check"]) == 1
    assert re.findall(r"(\w+\.yaml) is stale", capsys.readouterr().out) == ["edge.yaml", "old.yaml", "worker.yaml"]
    assert command.main([]) == 0
    assert command.main(["--check"]) == 0
    assert not old.exists()


def test_kustomize_takes_all_of_them() -> None:
    """kustomization.yaml lists every file, in an order in which they can be applied, and the image by its name."""
    found = yaml.safe_load((FOLDER / output.KUSTOMIZATION).read_text())
    assert found["resources"][0] == "namespace.yaml"
    assert {*found["resources"], output.KUSTOMIZATION} == {path.name for path in FOLDER.glob("*.yaml")}
    (image,) = found["images"]
    assert main_of("edge")["image"] == main_of("worker")["image"] == f"{image['name']}:{image['newTag']}"


@pytest.mark.parametrize("component", ["edge", "worker"])
def test_a_pod_has_the_time_to_drain(component: str) -> None:
    """It leaves its Service first, then drains; the kubelet waits for both, and probes do not end it meanwhile."""
    spec, container = pod(component)["spec"], main_of(component)
    pause = container["lifecycle"]["preStop"]["exec"]["command"]
    drain = choices.SETTINGS.drain_s
    assert pause[0] == "sleep"
    assert spec["terminationGracePeriodSeconds"] >= int(pause[1]) + drain + 5
    ready = container["readinessProbe"]
    # Where the Service has not heard of the pod's end, the failing readiness tells it.
    assert ready["periodSeconds"] * ready["failureThreshold"] <= int(pause[1])
    assert (ready["httpGet"]["path"], container["livenessProbe"]["httpGet"]["path"]) == ("/readyz", "/healthz")
    ports = {each["name"] for each in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in ports


@pytest.mark.parametrize("component", ["edge", "worker"])
def test_pods_are_confined(component: str) -> None:
    """They meet the restricted standard, which the namespace enforces, and hold no token of the cluster."""
    spec, container = pod(component)["spec"], main_of(component)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert of("Namespace", "ampstream")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("component", ["edge", "worker"])
def test_the_settings_are_right(component: str, tmp_path: Path) -> None:
    """The ConfigMap and the container's own variables load; ports are those that the settings say."""
    (tmp_path / "redis-url").write_text("redis://edge:x@valkey:6379/0")
    container = main_of(component)
    environ = of("ConfigMap", "ampstream")["data"] | {each["name"]: each["value"] for each in container["env"]}
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "redis"]
    environ["AMPSTREAM_REDIS_URL_FILE"] = environ["AMPSTREAM_REDIS_URL_FILE"].replace(mount["mountPath"], str(tmp_path))
    settings = load(environ)
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    expected = {"stations": settings.station_port, "operators": settings.http_port}
    assert ports == (expected if component == "edge" else {"health": settings.worker_port})
    assert container["args"] == [component]


def test_selectors_find_their_pods() -> None:
    """Services, budgets, policies and autoscalers mean pods that exist, and named ports that these have."""
    pods = {component: pod(component)["metadata"]["labels"] for component in ("edge", "worker")}
    for component, labels in pods.items():
        name = f"ampstream-{component}"
        assert of("Deployment", name)["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert of("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert of("NetworkPolicy", name)["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    for _, found in OBJECTS:
        if found["kind"] == "Service":
            (component,) = [
                each for each, labels in pods.items() if found["spec"]["selector"].items() <= labels.items()
            ]
            ports = {each["name"]: each["containerPort"] for each in main_of(component)["ports"]}
            assert all(each["port"] == ports[each["targetPort"]] for each in found["spec"]["ports"])


def test_what_is_scraped_has_the_name_that_alerts_go_by() -> None:
    """A ServiceMonitor finds one Service, whose name becomes the job's; alerts and dashboards know that job."""
    rules = (ROOT / "grafana" / "alerts" / "rules.yaml").read_text()
    for component in ("edge", "worker"):
        monitor = of("ServiceMonitor", f"ampstream-{component}")["spec"]
        wanted = monitor["selector"]["matchLabels"].items()
        found = [
            each for _, each in OBJECTS if each["kind"] == "Service" and wanted <= each["metadata"]["labels"].items()
        ]
        (service,) = found
        assert service["metadata"]["name"] == f"ampstream-{component}"
        assert f"ampstream-{component}" in rules or "ampstream-.+" in rules
        assert service["spec"]["clusterIP"] == "None"
        assert [each["port"] for each in monitor["endpoints"]] == [each["name"] for each in service["spec"]["ports"]]
        (policy,) = [of("NetworkPolicy", f"ampstream-{component}")["spec"]]
        scraping = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": choices.MONITORING}}}
        port = service["spec"]["ports"][0]["name"]
        assert {"from": [scraping], "ports": [{"protocol": "TCP", "port": port}]} in policy["ingress"]


def test_edges_grow_by_connections() -> None:
    """The autoscaler asks for a metric that edges show, well below what one holds; at least two, slow to shrink."""
    spec = of("HorizontalPodAutoscaler", "ampstream-edge")["spec"]
    (metric,) = spec["metrics"]
    assert metric["pods"]["metric"]["name"] in metrics.REGISTRY.families
    wanted = int(metric["pods"]["target"]["averageValue"])
    limit = choices.SETTINGS.max_connections
    # Where one of two dies at this fill, the other and its successor hold everybody.
    assert 0 < wanted < limit * 0.8
    assert spec["minReplicas"] == 2
    down = spec["behavior"]["scaleDown"]
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 600}]
    assert down["policies"][0]["periodSeconds"] > choices.grace_s()
    assert spec["scaleTargetRef"]["name"] == "ampstream-edge"


def test_workers_grow_by_lag() -> None:
    """KEDA's queries are PromQL over metrics that workers show; never fewer than two, and more where nobody knows."""
    spec = custom.read(of("ScaledObject", "ampstream-worker")).spec
    for trigger in spec.triggers:
        promql_parser.parse(trigger.metadata.query)
        named_there = set(re.findall(r"ampstream_\w+", trigger.metadata.query))
        assert named_there
        assert named_there <= set(metrics.REGISTRY.families)
        assert float(trigger.metadata.threshold) > 0
    assert spec.min_replica_count == 2
    assert spec.fallback.replicas > spec.min_replica_count
    assert spec.scale_target_ref.name == "ampstream-worker"
    # Both autoscalers own the number of replicas; a Deployment that said one would undo theirs at each apply.
    assert all("replicas" not in of("Deployment", f"ampstream-{each}")["spec"] for each in ("edge", "worker"))


def test_a_full_edge_fits_into_its_memory() -> None:
    """The limit has room for as many stations as an edge takes."""
    limit = int(main_of("edge")["resources"]["limits"]["memory"].removesuffix("Mi"))
    assert limit * 2**20 > choices.SETTINGS.max_connections * choices.BYTES_A_STATION


def patched(found: Any, patch: Any) -> Any:
    """Return an object with a patch merged in as kustomize does: in lists, what has the same name is one."""
    if isinstance(found, dict) and isinstance(patch, dict):
        return found | {key: patched(found[key], value) if key in found else value for key, value in patch.items()}
    if isinstance(found, list) and isinstance(patch, list):
        own = {each["name"]: each for each in found}
        return list((own | {each["name"]: patched(own.get(each["name"]), each) for each in patch}).values())
    return patch


def component(name: str) -> tuple[Any, list[Any]]:
    """Return the edges' Deployment with a component, and what comes with it."""
    folder = FOLDER / name
    kustomization = yaml.safe_load((folder / output.KUSTOMIZATION).read_text())
    assert kustomization["kind"] == "Component"
    ((resources,), (patch,)) = kustomization["resources"], kustomization["patches"]
    assert {resources, patch["path"], output.KUSTOMIZATION} == {path.name for path in folder.iterdir()}
    changes = yaml.safe_load((folder / patch["path"]).read_text())
    edge = of(changes["kind"], changes["metadata"]["name"])
    return patched(edge, changes), list(yaml.safe_load_all((folder / resources).read_text()))


def test_files_are_shared_by_all_edges() -> None:
    """With the component edges serve files from one claim that many nodes may mount; all else stays as it was."""
    edge, others = component(output.FILES)
    for version in VERSIONS:
        for found in (edge, *others):
            kubernetes_validate.validate(found, version, strict=True)
    claim, service, policy = others
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    spec = edge["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    environ = {each["name"]: each["value"] for each in container["env"] if "REDIS" not in each["name"]}
    settings = load(of("ConfigMap", "ampstream")["data"] | environ)
    (volume,) = [each for each in spec["volumes"] if "persistentVolumeClaim" in each]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert {"name": volume["name"], "mountPath": settings.transfer_dir} in container["volumeMounts"]
    assert settings.transfer_host == "0.0.0.0"
    (port,) = service["spec"]["ports"]
    assert {"name": port["targetPort"], "containerPort": settings.transfer_port} in container["ports"]
    assert policy["spec"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": port["targetPort"]}]}]
    labels = edge["spec"]["template"]["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= labels
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels
    # What scrapes must not find a second Service.
    assert "ampstream/scraped" not in service["metadata"]["labels"]
    before = main_of("edge")
    assert all(each in container["volumeMounts"] for each in before["volumeMounts"])
    assert (container["securityContext"], spec["securityContext"]["fsGroup"]) == (before["securityContext"], 10001)


def test_tls_ends_at_the_edges() -> None:
    """With the component edges speak TLS with the Secret's certificate, on a port of its own that stations reach."""
    edge, others = component(output.TLS)
    for version in VERSIONS:
        for found in (edge, *others):
            kubernetes_validate.validate(found, version, strict=True)
    service, policy = others
    spec = edge["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    environ = {each["name"]: each["value"] for each in container["env"] if "REDIS" not in each["name"]}
    settings = load(of("ConfigMap", "ampstream")["data"] | environ)
    (volume,) = [each for each in spec["volumes"] if each.get("secret", {}).get("secretName") == choices.TLS_SECRET]
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == volume["name"]]
    assert settings.tls_certificates == ":".join(f"{mount['mountPath']}/{name}" for name in ("tls.crt", "tls.key"))
    (port,) = service["spec"]["ports"]
    assert {"name": port["targetPort"], "containerPort": settings.tls_port} in container["ports"]
    assert policy["spec"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": port["targetPort"]}]}]
    labels = edge["spec"]["template"]["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= labels
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels
    assert not any("tls" in str(each).lower() for each in (main_of("edge")["env"], main_of("edge")["ports"]))
