"""What must not stand in the files: secrets, index URLs, names of settings and metrics that do not exist."""

import itertools
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

from shared import metrics
from shared.settings.load import CLIENT_VARIABLES, FIELDS, SECRETS

ROOT = Path(__file__).resolve().parents[2]
SECRET_SHAPES = (
    re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    re.compile(r"\bxox[baprs]-[A-Za-z0-9-]{10,}"),
)


@cache
def texts() -> dict[str, str]:
    """Every text file that git knows or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {}
    for name in names:
        path = ROOT / name
        if path.is_file() and path.suffix not in {".png", ".svg", ".ico"}:
            found[name] = path.read_text(encoding="utf-8", errors="replace")
    return found


def test_no_secret_is_committed() -> None:
    """No file holds a private key or a token of a well-known shape."""
    assert not [name for name, text in texts().items() for shape in SECRET_SHAPES if shape.search(text)]


def test_every_setting_that_is_named_exists() -> None:
    """Every AMPSTREAM_* in code and docs is a setting, its file form or a client's variable."""
    known = {field.variable for field in FIELDS.values()} | CLIENT_VARIABLES
    known |= {f"{FIELDS[name].variable}_FILE" for name in SECRETS} | {"AMPSTREAM_X", "AMPSTREAM_X_FILE"}
    wrong = [
        f"{name}: {variable}"
        for name, text in texts().items()
        if not name.startswith("tests/")
        for variable in set(re.findall(r"\bAMPSTREAM_[A-Z][A-Z0-9_]*\b", text)) - known
    ]
    assert not wrong


def test_every_metric_that_is_named_exists() -> None:
    """Metric names stand in the catalogue alone; docs that name one name a real one."""
    known = set(metrics.REGISTRY.families)
    for name, text in texts().items():
        if name.startswith("tests/"):
            continue
        for found in set(re.findall(r"\bampstream_[a-z][a-z0-9_]*\b", text)):
            base = re.sub(r"_(bucket|count|sum)$", "", found)
            assert base in known or base.endswith("_"), f"{name}: {found}"
            assert not name.endswith(".py"), f"{name}: {found} belongs into shared/metrics alone"


def test_the_lock_names_packages_only() -> None:
    """The lock file holds pinned packages with hashes, and no index, URL or path."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert not [line for line in lines if "://" in line or line.startswith("-") or "file:" in line or "@" in line]
    pins = [line for line in lines if re.match(r"[A-Za-z0-9]", line)]
    assert all("==" in pin and pin.endswith("\\") for pin in pins)


def test_every_dependency_is_locked() -> None:
    """What pyproject.toml asks for stands in the lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    locked = set(re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert not [each for each in wanted if re.split(r"[<>=;\[ ]", each)[0] not in locked]


@pytest.mark.parametrize("target", ["up", "test", "lint", "types", "contracts", "fresh", "bench", "lock", "generate"])
def test_the_makefile_has_its_targets(target: str) -> None:
    """`make` explains every target that the docs promise."""
    assert re.search(rf"^{target}:.*## \w", (ROOT / "Makefile").read_text(), re.MULTILINE)
