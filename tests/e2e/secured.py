"""The shared system's TLS: certificates of its own, an authority, and where stations dial in."""

from __future__ import annotations

import re
from pathlib import Path

from tests.chaos.harness.system import System
from tests.edge.stations import certs


def secured(directory: Path) -> dict[str, str]:
    """Return the settings of a system that listens over TLS as well, and signs stations' certificates."""
    certs.write(directory / "ca.pem", certs.authority().pem)
    return {
        "TLS_CERTIFICATES": certs.servers(directory, "ecdsa"),
        "TLS_PORT": "0",
        "TLS_RELOAD_S": "0.5",
        "CERTIFICATE_AUTHORITY": "builtin",
        "CA_PASSPHRASE": "opensesame",
        "OPERATOR_NAME": "E2E Operator",
    }


def ca_of(system: System) -> Path:
    """Return the file with the authority of the system's own certificate."""
    return Path(system.environ["AMPSTREAM_TLS_CERTIFICATES"]).with_name("ca.pem")


def tls_url(system: System) -> str:
    """Return where stations dial in over TLS: the first edge's log tells the port."""
    log = (system.directory / "edge-0.log").read_text(encoding="utf-8")
    found = re.findall(r"wss://127\.0\.0\.1:(\d+)", log)
    assert found, "the edge listens over TLS"
    return f"wss://localhost:{found[-1]}/ocpp"
