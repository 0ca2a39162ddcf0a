"""How simulated stations update: what they say, and with what they boot."""

from __future__ import annotations

import pytest

from ampstream.simulate.behaviours import BEHAVIOURS, PLAIN
from ampstream.simulate.upkeep import OTHER_VERSION
from tests.ampstream.simulate.played import Played


def update(behaviour: str) -> Played:
    """Let a station of this behaviour update to 6.1.0."""
    played = Played(behaviour=BEHAVIOURS[behaviour] if behaviour else PLAIN).started()
    played.until(lambda: played.cp.online)
    played.ask("UpdateFirmware", location="https://x/pole-6.1.0.bin", retrieveDate=played.time())
    played.run(200)
    return played


@pytest.mark.parametrize(
    ("behaviour", "statuses", "firmware"),
    [
        ("", ["Downloading", "Downloaded", "Installing", "Installed"], "6.1.0"),
        ("failing-install", ["Downloading", "Downloaded", "Installing", "InstallationFailed"], ""),
        ("wrong-firmware", ["Downloading", "Downloaded", "Installing", "Installed"], OTHER_VERSION),
        ("vanishing", ["Downloading"], ""),
        ("never-updates", [], ""),
        ("quiet-updates", [], "6.1.0"),
        ("failing-transfers", ["Downloading", "DownloadFailed"], ""),
    ],
)
def test_how_it_goes(behaviour: str, statuses: list[str], firmware: str) -> None:
    """Each make says what it says, and boots with what it has."""
    played = update(behaviour)
    assert [sent.payload["status"] for sent in played.of("FirmwareStatusNotification")] == statuses
    boots = [sent.payload["firmwareVersion"] for sent in played.of("BootNotification")]
    assert boots[1:] == ([firmware] if firmware else [])
    assert played.dials == (2 if firmware or behaviour == "vanishing" else 1)
