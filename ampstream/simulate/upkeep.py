"""Firmware, diagnostics and logs of a station: what it is asked to fetch or send, step by step.

    UpdateFirmware        (retrieveDate) Downloading, Downloaded, Installing, reboot, Installed      §5.19
    SignedUpdateFirmware  the same with SignatureVerified and InstallRebooting                        white paper L01
    GetDiagnostics        Uploading, Uploaded                                                         §5.9
    GetLog                the same; a second one while it runs takes its place                        white paper N01

Where the world has a mover, files of http(s) locations are truly fetched and sent: see `transfers`. Elsewhere this is
played. The version of the new firmware is what looks like one in the name of its file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ampstream.simulate.transfers import Order
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

_AWAY_S: Final = 60.0
"""Simulated: how long a station is gone that vanishes."""
OTHER_VERSION: Final = "0.0.0-rescue"
"""What a station boots with that gets its firmware wrong."""

_Plain = enums.FirmwareStatus
_Signed = enums.FirmwareStatusEnumType
_Upload = enums.UploadLogStatusEnumType


class Update(msgspec.Struct, frozen=True):
    """What a station is told to fetch; signed where it has a request's number."""

    location: str
    retrieve_at: str
    request_id: int | None = None
    signature: str = ""
    certificate: str = ""


class Upkeep:
    """What runs of all this on one station; at most one update and one upload."""

    __slots__ = (
        "_cp", "_installing", "_log_id", "_stop_fetching", "_stop_leaving", "_update", "_update_id", "_upload",
        "diagnostics", "firmware", "log",
    )  # fmt: skip

    def __init__(self, cp: ChargePoint) -> None:
        self._cp = cp
        self._update: Timer | None = None
        self._upload: Timer | None = None
        self._stop_fetching: Callable[[], None] | None = None
        self._stop_leaving: Callable[[], None] | None = None
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
        return self._update is not None or self._stop_fetching is not None or bool(self._installing)

    def update(self, order: Update) -> None:
        """Begin an update at its time; one that is under way is dropped."""
        self._cancel_update()
        self._update_id, self._installing = order.request_id, ""
        if self._cp.behaviour.updates == "never_reports":
            return
        world = self._cp.world
        at_ms = read_time(order.retrieve_at, world.wall_ms()).ms or 0
        wait_s = max(at_ms - world.wall_ms(), 0) / 1000
        version = version_in(order.location) or _next_version(self._cp.firmware)
        if self._cp.behaviour.updates == "other_version":
            version = OTHER_VERSION
        self._update = world.wheel.after(wait_s, lambda: self._download(order, version))

    def _download(self, order: Update, version: str) -> None:
        self._update = None
        self._tell_firmware(_Plain.DOWNLOADING.value)
        mover, vanishes = self._cp.world.mover, self._cp.behaviour.updates == "vanishes"
        if self._cp.behaviour.fails_transfers or mover is None or not _is_http(order.location):
            wrong = "download" if self._cp.behaviour.fails_transfers else "stopped" if vanishes else ""
            self._update = self._cp.world.after(_STEP_S, lambda: self._downloaded(order, version, wrong))
            return
        wanted = Order(order.signature, order.certificate, stops_at=0.5 if vanishes else 1.0)
        self._stop_fetching = mover.fetch(order.location, wanted, lambda wrong: self._downloaded(order, version, wrong))

    def _downloaded(self, order: Update, version: str, wrong: str) -> None:
        """Go on with what came: install it, or say what is wrong with it."""
        self._update = self._stop_fetching = None
        signed = order.request_id is not None
        if wrong == "stopped":
            self._cp.go_offline(_AWAY_S)
            return
        if wrong in ("download", "checksum"):
            self._tell_firmware(_Plain.DOWNLOAD_FAILED.value)
            return
        steps = [_Plain.DOWNLOADED.value]
        if wrong:
            self._next([*steps, _Signed.INVALID_SIGNATURE.value], "")
            return
        steps += [_Signed.SIGNATURE_VERIFIED.value] if signed else []
        steps += [_Plain.INSTALLING.value]
        if self._cp.behaviour.updates == "install_fails":
            self._next([*steps, _Plain.INSTALLATION_FAILED.value], "")
            return
        self._next([*steps, _Signed.INSTALL_REBOOTING.value] if signed else steps, version)

    def _next(self, steps: list[str], version: str) -> None:
        """Tell a step and wait for the next; after the last the station boots into `version`, if there is one."""
        self._tell_firmware(steps[0])
        if steps[1:]:
            self._update = self._cp.world.after(_STEP_S, lambda: self._next(steps[1:], version))
            return
        if not version:
            self._update = None
            return

        def restart() -> None:
            self._update, self._installing = None, version
            self._cp.reboot(enums.Reason.REBOOT)

        self._update = self._cp.world.after(_STEP_S, restart)

    def _cancel_update(self) -> None:
        if self._update is not None:
            self._update.cancel()
            self._update = None
        if self._stop_fetching is not None:
            self._stop_fetching()
            self._stop_fetching = None

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
        if self._cp.behaviour.updates != "quiet":
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

    def send_diagnostics(self, location: str) -> str:
        """Begin to send diagnostics; return the name of their file."""
        name = f"diagnostics-{self._cp.station_id}.zip"[-255:]
        self._upload_by(self._diagnostics, location, name)
        return name

    def _diagnostics(self, good: bool | None) -> None:
        status = enums.DiagnosticsStatus
        self.diagnostics = status.UPLOADING if good is None else status.UPLOADED if good else status.UPLOAD_FAILED
        self._cp.tell(m.DiagnosticsStatusNotificationRequest(status=self.diagnostics))
        if good is not None:
            self.diagnostics = status.IDLE

    def send_log(self, request_id: int, location: str) -> tuple[enums.LogStatusEnumType, str]:
        """Begin to send a log; return the answer's status and the name of the file."""
        status = enums.LogStatusEnumType
        replaced = self._upload is not None or self._stop_leaving is not None
        self._log_id = request_id
        name = f"log-{self._cp.station_id}.txt"[-255:]
        self._upload_by(self._log, location, name)
        return (status.ACCEPTED_CANCELED if replaced else status.ACCEPTED), name

    def _log(self, good: bool | None) -> None:
        self.log = _Upload.UPLOADING if good is None else _Upload.UPLOADED if good else _Upload.UPLOAD_FAILURE
        self._cp.tell(self.log_report())
        if good is not None:
            self.log, self._log_id = _Upload.IDLE, None

    def log_report(self) -> Request[Any]:
        """Return the notification of the log's state; Idle where nothing is sent (white paper §4.12)."""
        return m.LogStatusNotificationRequest(status=self.log, request_id=self._log_id)

    def _upload_by(self, tell: Callable[[bool | None], None], location: str, name: str) -> None:
        """Send a file; `tell` gets None when it begins, then whether it went well."""
        if self._upload is not None:
            self._upload.cancel()
        if self._stop_leaving is not None:
            self._stop_leaving()
            self._stop_leaving = None

        def ended(good: bool) -> None:
            self._upload = self._stop_leaving = None
            tell(good)

        def begun() -> None:
            tell(None)
            mover, fails = self._cp.world.mover, self._cp.behaviour.fails_transfers
            if fails or mover is None or not _is_http(location):
                self._upload = self._cp.world.after(_STEP_S, lambda: ended(not fails))
                return
            self._upload = None
            self._stop_leaving = mover.leave(f"{location.rstrip('/')}/{name}", self._content(), ended)

        self._upload = self._cp.world.after(_STEP_S, begun)

    def _content(self) -> bytes:
        """Return what a station has to tell of itself."""
        lines = [f"station {self._cp.station_id}", f"firmware {self._cp.firmware}", f"update {self.firmware}"]
        lines += [f"connector {one.number}: {one.status}" for one in self._cp.connectors]
        return ("\n".join(lines) + "\n").encode()


def _is_http(location: str) -> bool:
    return location.startswith(("http://", "https://"))


def version_in(location: str) -> str:
    """Return what looks like a version in the name of a file, empty for nothing (`…/home-2.5.0.bin`: 2.5.0)."""
    found = _VERSION.search(location.rsplit("/", 1)[-1])
    return found.group() if found else ""


def _next_version(version: str) -> str:
    """Count the last number up."""
    head, _, tail = version.rpartition(".")
    digits = re.match(r"\d+", tail)
    return f"{head}.{int(digits.group()) + 1}" if digits else f"{version}.1"
