"""Alertmanager's configuration: who is woken by what, and what keeps quiet beside its cause."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from .reading import ALERTS, alerts, tool

CONFIGURATION = ALERTS / "alertmanager.yaml"


def amtool(*arguments: str) -> str:
    """Run amtool; returns what it says, and fails the test where it complains."""
    command = [tool("amtool", "prometheus-alertmanager"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_alertmanager_accepts_it() -> None:
    """Amtool finds no fault in the configuration."""
    assert "3 receivers" in amtool("check-config", str(CONFIGURATION))


@pytest.mark.parametrize("severity", ["critical", "warning", "none"])
def test_severity_decides_who_is_woken(severity: str) -> None:
    """A critical alert goes to the pager, a warning to the chat, the watchdog to the dead man's switch."""
    expected = {"critical": "pager", "warning": "chat", "none": "watchdog"}[severity]
    name = next(name for name, alert in alerts().items() if alert["labels"]["severity"] == severity)
    labels = [f"alertname={name}", f"severity={severity}"]
    assert amtool("config", "routes", "test", f"--config.file={CONFIGURATION}", *labels) == expected


def inhibitions() -> list[dict[str, Any]]:
    """The rules by which one alert silences another."""
    rules: list[dict[str, Any]] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["inhibit_rules"]
    return rules


def named(matchers: list[str]) -> set[str]:
    """Return the alerts that matchers name."""
    return {name for each in matchers for name in re.findall(r"\b[A-Z]\w+", each)}


def test_causes_silence_their_consequences() -> None:
    """A target, all workers or persistence gone silences lag and offline alerts, and only existing alerts are named."""
    causes = {"TargetDown", "WorkersAbsent", "RedisPersistenceFailing"}
    first = next(rule for rule in inhibitions() if causes <= named(rule["source_matchers"]))
    assert {"StreamLagHigh", "StationsOfflineMassEvent"} <= named(first["target_matchers"])
    for rule in inhibitions():
        sources, targets = named(rule["source_matchers"]), named(rule["target_matchers"])
        assert sources | targets <= set(alerts())
        assert not sources & targets
