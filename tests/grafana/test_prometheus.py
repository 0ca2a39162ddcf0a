"""Prometheus's own configuration: it is accepted, and has the jobs that rules ask for."""

import re
import subprocess
from typing import Any

import yaml

from .reading import ROOT, alerts, tool

FOLDER = ROOT / "grafana" / "prometheus"
CONFIGURATION = FOLDER / "prometheus.yml"


def configuration() -> dict[str, Any]:
    """The configuration, read."""
    found: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    return found


def test_prometheus_accepts_it() -> None:
    """Promtool finds no fault in the configuration, and follows it to the rules."""
    command = [tool("promtool", "prometheus"), "check", "config", str(CONFIGURATION)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 rule files found" in done.stdout


def test_every_job_has_its_targets() -> None:
    """Each job reads a file of targets of its own that is there and names somebody with a port."""
    for job in configuration()["scrape_configs"]:
        (discovery,) = job["file_sd_configs"]
        (name,) = discovery["files"]
        groups = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
        targets = [target for group in groups for target in group["targets"]]
        assert targets
        assert all(re.fullmatch(r"[\w.-]+:\d+", target) for target in targets)


def test_a_target_of_every_job_is_missed() -> None:
    """TargetDown watches each of the jobs."""
    watched = re.search(r'up\{job=~"([^"]+)"\}', alerts()["TargetDown"]["expr"])
    assert watched
    assert all(re.fullmatch(watched[1], job["job_name"]) for job in configuration()["scrape_configs"])


def test_grafana_knows_how_often_is_scraped() -> None:
    """The data source's interval is the scrape's, or rates over `$__rate_interval` would be empty."""
    folder = ROOT / "grafana" / "provisioning" / "datasources"
    source = yaml.safe_load((folder / "prometheus.yaml").read_text())["datasources"][0]
    assert source["jsonData"]["timeInterval"] == configuration()["global"]["scrape_interval"]
