"""docs/deployment.md: the YAML that people will copy is valid, and names what exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import yaml

from deploy.roles import ROLES
from shared.settings import load
from tests.chaos.harness.processes import ROOT
from tests.deploy.test_compose import compose, program
from tests.deploy.test_kubernetes import VERSIONS, of

PAGE: Final = (ROOT / "docs" / "deployment.md").read_text()
FENCED: Final = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS: Final[list[Any]] = [yaml.safe_load(text) for text in FENCED.findall(PAGE)]


def block(key: str) -> Any:
    """Return the one block of YAML with this key at its top."""
    (found,) = [each for each in BLOCKS if key in each]
    return found


def test_the_override_for_tls_is_valid(tmp_path: Path) -> None:
    """It follows the schema, changes a service that there is, and variables that HAProxy reads."""
    override = block("services")
    (tmp_path / "compose.override.yaml").write_text(yaml.safe_dump(override))
    command = [program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(tmp_path / "compose.override.yaml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    for name, about in override["services"].items():
        assert about["environment"].keys() <= compose()["services"][name]["environment"].keys()
        assert set(about["secrets"]) == set(override["secrets"])


def test_the_ingress_is_valid() -> None:
    """It follows its schema and leads to a port of a Service that is made."""
    ingress = next(each for each in BLOCKS if each.get("kind") == "Ingress")
    kubernetes_validate.validate(ingress, VERSIONS[-1], strict=True)
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = of("Service", backend["name"])
    assert backend["port"]["name"] in {each["name"] for each in service["spec"]["ports"]}


def test_the_overlay_for_files_fits_what_it_patches() -> None:
    """It takes folders that there are, and each of its patches an object of them; the setting is one."""
    overlay = block("components")
    folders = [ROOT / each for each in (*overlay["resources"], *overlay["components"])]
    files = [path for folder in folders for path in folder.glob("*.yaml")]
    made = {
        (found["kind"], found["metadata"]["name"])
        for path in files
        for found in yaml.safe_load_all(path.read_text())
        if "metadata" in found
    }
    patches = [yaml.safe_load(each["patch"]) for each in overlay["patches"]]
    assert {(each["kind"], each["metadata"]["name"]) for each in patches} <= made
    (settings,) = [each["data"] for each in patches if each["kind"] == "ConfigMap"]
    assert load(settings).transfer_url == settings["AMPSTREAM_TRANSFER_URL"]


def test_the_adapter_gives_what_the_autoscaler_asks_for() -> None:
    """The rule's series is the autoscaler's metric."""
    (rule,) = block("rules")["rules"]
    (metric,) = of("HorizontalPodAutoscaler", "ampstream-edge")["spec"]["metrics"]
    assert rule["seriesQuery"].startswith(metric["pods"]["metric"]["name"] + "{")


def test_every_user_is_explained() -> None:
    """The table of users names each role, and nobody else but the one that is off."""
    table = PAGE.partition("## Users of Valkey")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == {role.name for role in ROLES} | {"default"}


def test_the_alerts_become_an_object_of_the_cluster() -> None:
    """The command of the page makes a PrometheusRule that holds every group of rules."""
    (text,) = re.findall(r"^```\n(\{ printf .*?) \| kubectl[^\n]*\n```", PAGE, re.MULTILINE | re.DOTALL)
    made = subprocess.run(["sh", "-c", text], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = yaml.safe_load(made)
    rules = yaml.safe_load((ROOT / "grafana" / "alerts" / "rules.yaml").read_text())
    assert (found["kind"], found["spec"]) == ("PrometheusRule", rules)
