"""What a fresh worker knows before its first frame."""

from __future__ import annotations

import subprocess
import sys

_ASK = """
import workers.dispatch
from workers.services.command_rules import OUTCOMES
from workers.services.reconciliation import ASKERS
from workers.services.wakeups import WAKERS
print(len(OUTCOMES), *ASKERS, *sorted(WAKERS))
"""


def test_a_fresh_worker_knows_every_version() -> None:
    """A timer, an answer or a request may be the first that a worker gets: nothing waits for a frame to be learnt."""
    told = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=True).stdout.split()
    assert int(told[0]) >= 26
    assert {"ocpp1.6", "reconcile", "configuration", "remote_failure"} <= set(told[1:])
