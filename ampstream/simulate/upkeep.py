"""Firmware, diagnostics and logs of a station: what it is asked to fetch or send, step by step.

    UpdateFirmware        (retrieveDate) Downloading, Downloaded, Installing, reboot, Installed      §5.19
    SignedUpdateFirmware  the same with SignatureVerified and InstallRebooting                        white paper L01
    GetDiagnostics        Uploading, Uploaded                                                         §5.9
    GetLog                the same; a second one while it runs takes its place                        white paper N01

No file is really sent or fetched: the version of the new firmware is what looks like one in the name of its file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ampstream.simulate.wheel import Timer
from shared.ocpp.messages import Request
from shared.ocpp.timestamps import read_time
from shared.ocpp.v16 import enums
from shared.ocpp.v16 import messages as m

if TYPE_CHECKING:
    from ampstream.simulate.chargepoint import ChargePoint

_STEP_S: Final = 5.0
"""Simulated, from one status to the next."""
_VERSION: Final = re.compile(r"v?\d+(\.\d+)+[\w.-]*?(?=\.[a-z]+$|$)")

_Plain = enums.FirmwareStatus
_Signed = enums.FirmwareStatusEnumType
_Upload = enums.UploadLogStatusEnumType


class Upkeep:
    """What runs of all this on one station; at most one update and one upload."""

    __slots__ = ("_cp", "_installing", "_log_id", "_update", "_update_id", "_upload", "diagnostics", "firmware", "log")

    def __init__(self, cp: ChargePoint) -> None:
        self._cp = cp
        self._update: Timer | None = None
        self._upload: Timer | None = None
        self._installing = ""
        """The version that the next boot brings."""
        self._update_id: int | None = None
        """The request of a signed update."""
        self._log_id: int | None = None
        self.firmware = "Idle"
        self.diagnostics = enums.DiagnosticsStatus.IDLE
        self.log = _Upload.IDLE

    # --- firmware

    @property
    def updating(self) -> bool:
        """An update is under way."""
        return self._update is not None or bool(self._installing)

    def update(self, location: str, retrieve_at: str, request_id: int | None = None) -> None:
        """Begin an update at its time; one that is under way is dropped."""
        self._cancel_update()
        self._update_id, self._installing = request_id, ""
        world = self._cp.world
        at_ms = read_time(retrieve_at, world.wall_ms()).ms or 0
        wait_s = max(at_ms - world.wall_ms(), 0) / 1000
        steps = [_Plain.DOWNLOADING.value, _Plain.DOWNLOADED.value]
        if self._cp.behaviour.fails_transfers:
            steps[1:] = [_Plain.DOWNLOAD_FAILED.value]
        else:
            steps += [] if request_id is None else [_Signed.SIGNATURE_VERIFIED.value]
            steps += [_Plain.INSTALLING.value]
            steps += [] if request_id is None else [_Signed.INSTALL_REBOOTING.value]

        def begin() -> None:
            self._next(steps, version_in(location) or _next_version(self._cp.firmware))

        self._update = world.wheel.after(wait_s, begin)

    def _next(self, steps: list[str], version: str) -> None:
        """Tell a step and wait for the next; after the last the station boots into the new firmware."""
        self._tell_firmware(steps[0])
        if steps[0] == _Plain.DOWNLOAD_FAILED:
            self._update = None
            return
        if steps[1:]:
            self._update = self._cp.world.after(_STEP_S, lambda: self._next(steps[1:], version))
            return

        def restart() -> None:
            self._update, self._installing = None, version
            self._cp.reboot(enums.Reason.REBOOT)

        self._update = self._cp.world.after(_STEP_S, restart)

    def _cancel_update(self) -> None:
        if self._update is not None:
            self._update.cancel()
            self._update = None

    def booted(self) -> None:
        """The CSMS accepted a boot: an update that led to it is done."""
        if self._installing:
            self._installing = ""
            self._tell_firmware(_Plain.INSTALLED.value)

    def take_version(self) -> str:
        """Return the version that a reboot brings, empty for none; a reboot ends what only downloads."""
        self._cancel_update()
        return self._installing

    def _tell_firmware(self, status: str) -> None:
        self.firmware = status
        self._cp.tell(self.firmware_report())

    def firmware_report(self, *, signed: bool | None = None) -> Request[Any]:
        """Return the notification of the firmware's state; Idle where nothing runs (§4.5)."""
        busy = self.updating or signed is None
        status = self.firmware if busy else "Idle"
        if signed or (signed is None and self._update_id is not None):
            request_id = self._update_id if busy else None
            return m.SignedFirmwareStatusNotificationRequest(status=_Signed(status), request_id=request_id)
        return m.FirmwareStatusNotificationRequest(status=_Plain(status))

    # --- uploads

    def send_diagnostics(self) -> str:
        """Begin to send diagnostics; return the name of their file."""
        self._upload_by(self._diagnostics)
        return f"diagnostics-{self._cp.station_id}.zip"[-255:]

    def _diagnostics(self, ended: bool) -> None:
        status = enums.DiagnosticsStatus
        failing = self._cp.behaviour.fails_transfers
        self.diagnostics = (status.UPLOAD_FAILED if failing else status.UPLOADED) if ended else status.UPLOADING
        self._cp.tell(m.DiagnosticsStatusNotificationRequest(status=self.diagnostics))
        if ended:
            self.diagnostics = status.IDLE

    def send_log(self, request_id: int) -> tuple[enums.LogStatusEnumType, str]:
        """Begin to send a log; return the answer's status and the name of the file."""
        status = enums.LogStatusEnumType
        replaced = self._upload is not None
        self._log_id = request_id
        self._upload_by(self._log)
        return (status.ACCEPTED_CANCELED if replaced else status.ACCEPTED), f"log-{self._cp.station_id}.txt"[-255:]

    def _log(self, ended: bool) -> None:
        failing = self._cp.behaviour.fails_transfers
        self.log = (_Upload.UPLOAD_FAILURE if failing else _Upload.UPLOADED) if ended else _Upload.UPLOADING
        self._cp.tell(self.log_report())
        if ended:
            self.log, self._log_id = _Upload.IDLE, None

    def log_report(self) -> Request[Any]:
        """Return the notification of the log's state; Idle where nothing is sent (white paper §4.12)."""
        return m.LogStatusNotificationRequest(status=self.log, request_id=self._log_id)

    def _upload_by(self, tell: Callable[[bool], None]) -> None:
        if self._upload is not None:
            self._upload.cancel()

        def ended() -> None:
            self._upload = None
            tell(True)

        def begun() -> None:
            tell(False)
            self._upload = self._cp.world.after(_STEP_S, ended)

        self._upload = self._cp.world.after(_STEP_S, begun)


def version_in(location: str) -> str:
    """Return what looks like a version in the name of a file, empty for nothing (`…/home-2.5.0.bin`: 2.5.0)."""
    found = _VERSION.search(location.rsplit("/", 1)[-1])
    return found.group() if found else ""


def _next_version(version: str) -> str:
    """Count the last number up."""
    head, _, tail = version.rpartition(".")
    digits = re.match(r"\d+", tail)
    return f"{head}.{int(digits.group()) + 1}" if digits else f"{version}.1"
