"""A system whose Valkey knows one user per role, started as compose.yaml starts it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final

from ampstream.up import valkey
from tests.chaos.harness.processes import ROOT
from tests.chaos.harness.system import System

DEPLOY: Final = ROOT / "deploy"


def make_secrets(directory: Path) -> Path:
    """Make the passwords as an operator does; returns their directory."""
    subprocess.run(["sh", str(DEPLOY / "secrets.sh"), str(directory)], check=True)
    return directory


def url(system: System, secrets: Path, role: str) -> str:
    """Return the URL of the system's Valkey for a role."""
    password = (secrets / f"valkey-{role}").read_text().strip()
    return f"redis://{role}:{password}@127.0.0.1:{system.valkey.port}/0"


def with_users(system: System) -> Path:
    """Let edges and workers of a system that was not started yet be the users of their roles; returns the secrets.

    The test itself is the admin.
    """
    secrets = make_secrets(system.directory / "secrets")
    server = system.valkey
    config = server.directory / "valkey.conf"
    server.command = ["/bin/sh", str(DEPLOY / "valkey" / "start.sh")]
    server.environ |= {
        "SECRETS": str(secrets),
        "USERS": str(DEPLOY / "valkey" / "users.acl"),
        "ACL": str(server.directory / "users.acl"),
        "SERVER": str(valkey.binary()),
        "CONF": str(config),
    }
    server.url = url(system, secrets, "admin")
    for role, processes in (("edge", system.edges), ("worker", system.workers)):
        for process in processes:
            process.environ["AMPSTREAM_REDIS_URL"] = url(system, secrets, role)
    return secrets


def denied(system: System) -> list[str]:
    """Return what Valkey refused to whom."""
    entries: list[Any] = system.valkey.client().acl_log()
    return [f"{each['username']}: {each['reason']} {each['object']} ({each['context']})" for each in entries]
