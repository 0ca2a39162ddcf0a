"""An update at one station: what moves it on and what ends it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared import envelopes, metrics
from shared.bus import firmware_keys
from shared.envelopes import Command, Kind
from shared.ocpp.actions import actions_of
from shared.ocpp.versions import OCPP16
from shared.policy import Policy
from shared.records.events import ConfigurationDrifted, FirmwareUpdate
from shared.records.firmware import UpdateResult
from shared.records.packing import unpack
from shared.records.requests import BeginUpdate, ReadConfiguration, StopUpdate, UpdateStation
from tests.workers.harness import World
from workers.services import registration

LOCATION = "http://h/transfer/token.sig/f-2.0.0.bin"
SIGNED: dict[str, Any] = {"signature": "c2ln", "signing_certificate": "PEM"}


@pytest.fixture(autouse=True)
def _actions() -> None:
    actions = actions_of(OCPP16)
    metrics.register_actions(actions.from_station, actions.from_csms)


class Updated(World):
    """A station with firmware 1.0.0 that a campaign brings to 2.0.0."""

    def __init__(self, keys: dict[str, str] | None = None, rules: dict[str, str] | None = None) -> None:
        super().__init__(policy=Policy(unknown_stations="accept", unknown_tags="accept", configuration_every_ms=0))
        self.open()
        self.boot("1.0.0")
        if rules:
            self.request(UpdateStation(request_id="rules", quirk_profile=rules))
        if keys is not None:
            self.keys(keys)

    def keys(self, keys: dict[str, str]) -> None:
        """Let the station's configuration be read."""
        self.request(ReadConfiguration(request_id="read"))
        self.advance(registration.SETTLE_MS / 1000 + 1)
        call = self.sent[-1]
        listed = [{"key": name, "readonly": False, "value": value} for name, value in keys.items()]
        self.answer(call[1], {"configurationKey": listed})

    def boot(self, firmware: str) -> None:
        """Boot with a firmware."""
        self.call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": firmware})

    def begin(self, *, settle: bool = True, **fields: Any) -> None:
        """Let a campaign begin."""
        request = BeginUpdate(
            request_id="r",
            **{"campaign_id": "c1", "turn": 1, "attempt": 1, "version": "2.0.0", "location": LOCATION, **fields},
        )
        self.ask(request)
        if settle:
            self.advance(registration.SETTLE_MS / 1000 + 1)

    def ask(self, request: BeginUpdate | StopUpdate) -> None:
        """Put a request on the uplink; nobody waits for a reply."""
        self.feed(self.entry(Kind.REQUEST, envelopes.encode(request), epoch=0))

    @property
    def sent(self) -> list[Any]:
        """The commands that went out, as frames."""
        return [msgspec.json.decode(item.frame) for item in self.items_of(Command)]

    def accept(self, **answer: Any) -> None:
        """Answer the last command."""
        self.answer(self.sent[-1][1], answer)

    def says(self, status: str) -> None:
        """Send a status notification."""
        self.call("FirmwareStatusNotification", {"status": status})

    @property
    def result(self) -> UpdateResult | None:
        """What the campaign was told; takes it."""
        found = self.memory.data.get(firmware_keys.campaign_ended("c1"), {}).pop("CP1", None)
        return unpack(found, UpdateResult) if found is not None else None

    @property
    def ended(self) -> tuple[str, str, str] | None:
        """Outcome, stage and detail of the result."""
        found = self.result
        return (found.outcome, found.stage, found.detail) if found else None


def test_success_only_when_a_boot_names_the_version() -> None:
    """Installed is not enough; the boot that names the version is."""
    world = Updated()
    world.begin()
    action, payload = world.sent[-1][2:]
    assert (action, payload["location"]) == ("UpdateFirmware", LOCATION)
    world.accept()
    for status in ("Downloading", "Downloaded", "Installing", "Installed"):
        world.says(status)
        assert world.result is None
    world.boot("2.0.0")
    assert world.ended == ("updated", "", "")
    stages = [(one.stage, one.detail) for one in world.events_of(FirmwareUpdate)]
    assert stages == [
        ("requested", ""), ("downloading", "Downloading"), ("downloaded", "Downloaded"), ("installing", "Installing"),
        ("installed", "Installed"), ("updated", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("order", ["boot first", "says nothing", "no answer"])
def test_the_boot_decides_whatever_was_said(order: str) -> None:
    """A station that boots before it says Installed, one that never says anything, one that did not even answer."""
    world = Updated()
    world.begin()
    if order == "no answer":
        world.advance(31)
    else:
        world.accept()
    if order == "boot first":
        world.says("Installing")
    world.boot("2.0.0")
    assert world.ended == ("updated", "", "")
    world.says("Installed")
    assert world.result is None


@pytest.mark.parametrize("status", ["DownloadFailed", "InstallationFailed"])
def test_a_status_that_says_so_fails(status: str) -> None:
    """The attempt has failed at once, with the status as detail."""
    world = Updated()
    world.begin()
    world.accept()
    world.says("Downloading")
    world.says(status)
    assert world.ended == ("failed", "downloading", status)
    assert world.count("firmware_attempts_total", "downloading") == 1


def test_a_boot_with_another_version() -> None:
    """Once it was said to be installed, a boot with anything but the version fails; before, the old one is a boot."""
    world = Updated()
    world.begin()
    world.accept()
    world.says("Downloading")
    world.boot("1.0.0")
    assert world.result is None
    world.says("Installed")
    world.boot("1.0.0")
    assert world.ended == ("failed", "installed", "it booted with 1.0.0")
    world.begin(turn=2, attempt=2)
    world.accept()
    world.boot("1.5.0")
    assert world.ended == ("failed", "requested", "it booted with 1.5.0")


def test_silence_fails() -> None:
    """Nothing heard for the stage's time, or no boot after Installed: failed; each notification gives new time."""
    world = Updated()
    world.begin(stage_timeout_ms=60_000, boot_timeout_ms=30_000)
    world.accept()
    for status in ("Downloading", "Downloaded", "Installing"):
        world.advance(50)
        world.says(status)
    assert world.result is None
    world.close()
    world.advance(61)
    assert world.ended == ("failed", "installing", "nothing was heard for 60 s; it is offline")
    world.open()
    world.boot("1.0.0")
    world.begin(turn=2, attempt=2, boot_timeout_ms=30_000)
    world.accept()
    world.says("Downloading")
    world.says("Installed")
    world.advance(31)
    assert world.ended == ("failed", "installed", "no boot with the version for 30 s")


def test_what_is_not_begun() -> None:
    """It has the version; a transaction runs; another campaign is at it: told, and nothing is sent."""
    world = Updated()
    world.begin(version="1.0.0")
    assert world.ended == ("current", "", "it has this version")
    start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2023-11-14T22:13:20Z"}
    world.call("StartTransaction", start)
    world.begin(turn=2)
    assert world.ended == ("put_off", "", "a transaction runs")
    assert not [one for one in world.sent if one[2] == "UpdateFirmware"]
    world.begin(turn=3, only_idle=False)
    assert world.sent[-1][2] == "UpdateFirmware"
    world.begin(campaign_id="c2", only_idle=False)
    found = world.memory.data[firmware_keys.campaign_ended("c2")]["CP1"]
    assert unpack(found, UpdateResult).outcome == "put_off"


def test_a_command_that_could_not_be_sent_costs_no_attempt() -> None:
    """The station left: its command expires, and the attempt is put off."""
    world = Updated()
    world.close()
    world.begin(expires_in_ms=10_000)
    world.advance(20)
    assert world.ended == ("put_off", "", "its command could not be sent")


def test_asked_twice_it_is_sent_once() -> None:
    """A repeated request sends nothing; once it has ended, the result is told again."""
    world = Updated()
    world.begin()
    world.begin()
    assert [one[2] for one in world.sent].count("UpdateFirmware") == 1
    world.accept()
    world.says("DownloadFailed")
    first = world.result
    world.begin()
    assert world.result == first is not None


def test_cancelled() -> None:
    """What was not sent is taken back; what was goes on."""
    world = Updated()
    world.close()
    world.begin()
    world.ask(StopUpdate(request_id="s", campaign_id="c1"))
    assert world.ended == ("cancelled", "", "")
    world.open()
    world.boot("1.0.0")
    world.begin(turn=2)
    world.accept()
    world.ask(StopUpdate(request_id="s2", campaign_id="c1"))
    assert world.result is None


SECURE = {"SecurityProfile": "1", "SupportedFeatureProfiles": "Core,FirmwareManagement"}


@pytest.mark.parametrize(
    ("keys", "rules", "fields", "sent"),
    [
        (SECURE, {}, SIGNED, "SignedUpdateFirmware"),
        (SECURE, {}, {}, "UpdateFirmware"),
        (SECURE, {}, SIGNED | {"mode": "never"}, "UpdateFirmware"),
        (SECURE, {"signed_firmware": "no"}, SIGNED, "UpdateFirmware"),
        ({"SupportedFeatureProfiles": "Core,FirmwareManagement"}, {}, SIGNED, "UpdateFirmware"),
        ({"X": "1"}, {"signed_firmware": "yes"}, SIGNED, "SignedUpdateFirmware"),
        (None, {}, SIGNED | {"mode": "always"}, "SignedUpdateFirmware"),
        (SECURE, {}, {"mode": "always"}, "the image has no signature"),
        ({"X": "1"}, {}, SIGNED | {"mode": "always"}, "it does not know signed firmware"),
        ({"SupportedFeatureProfiles": "Core"}, {}, {}, "its model has no FirmwareManagement"),
    ],
)
def test_which_command_is_sent(
    keys: dict[str, str] | None, rules: dict[str, str], fields: dict[str, Any], sent: str
) -> None:
    """By the station's own configuration, the rule of its model and what the campaign insists on."""
    world = Updated(keys, rules)
    before = len(world.sent)
    world.begin(**fields)
    if " " in sent:
        assert world.ended == ("refused", "", sent)
        return
    (call,) = world.sent[before:]
    assert call[2] == sent


def test_signed() -> None:
    """Its own statuses lead on, those of another request do not, and an invalid signature fails."""
    world = Updated(SECURE)
    world.begin(**SIGNED)
    payload = world.sent[-1][3]
    number = payload["requestId"]
    assert payload["firmware"] | {"retrieveDateTime": ""} == {
        "location": LOCATION, "retrieveDateTime": "", "signature": "c2ln", "signingCertificate": "PEM",
    }  # fmt: skip
    world.accept(status="AcceptedCanceled")
    told = "SignedFirmwareStatusNotification"
    world.call(told, {"status": "DownloadFailed", "requestId": number + 1})
    world.call(told, {"status": "SignatureVerified", "requestId": number})
    assert world.result is None
    world.call(told, {"status": "InvalidSignature", "requestId": number})
    assert world.ended == ("failed", "downloaded", "InvalidSignature")


def test_a_station_that_does_not_know_the_signed_command() -> None:
    """It gets the plain one where the campaign leaves the choice; a certificate that it refuses is a failure."""
    world = Updated(SECURE)
    world.begin(**SIGNED)
    frame = msgspec.json.encode([4, world.sent[-1][1], "NotImplemented", "", {}])
    world.feed(world.entry(Kind.ANSWER, frame))
    assert world.sent[-1][2] == "UpdateFirmware"
    world.accept()
    world.boot("2.0.0")
    assert world.ended == ("updated", "", "")
    world = Updated(SECURE)
    world.begin(**SIGNED)
    world.accept(status="InvalidCertificate")
    assert world.ended == ("failed", "requested", "it answered InvalidCertificate")


def test_the_configuration_is_read_afterwards() -> None:
    """With the boot that makes it a success, also where boots bring no reads."""
    world = Updated()
    world.begin()
    world.accept()
    world.boot("2.0.0")
    world.advance(registration.SETTLE_MS / 1000 + 1)
    assert world.sent[-1][2] == "GetConfiguration"


def test_what_the_new_firmware_changed_is_flagged() -> None:
    """Keys that differ after the update are a drift."""
    world = Updated({"LocalAuthorizeOffline": "true"})
    world.begin()
    world.accept()
    world.boot("2.0.0")
    world.advance(registration.SETTLE_MS / 1000 + 1)
    call = world.sent[-1]
    assert call[2] == "GetConfiguration"
    listed = [{"key": "LocalAuthorizeOffline", "readonly": False, "value": "false"}]
    world.answer(call[1], {"configurationKey": listed})
    (drift,) = world.events_of(ConfigurationDrifted)
    assert drift.names == ("LocalAuthorizeOffline",)


def test_locations_are_in_no_record_that_has_ended() -> None:
    """The token of the link goes from the command's record once that has ended, and was never in an event."""
    world = Updated()
    world.begin()
    assert "token.sig" in str(world.sent[-1])
    world.accept()
    kept = [value for key, value in world.memory.data.items() if ":cmd:" in key]
    assert kept
    assert not [value for value in kept if b"token.sig" in value]
    assert "token.sig" not in str(world.events)
    world.says("DownloadFailed")
    assert b"token.sig" not in b"".join(one for one in world._sections.values() if one)


def test_uploads_are_told() -> None:
    """What a station says of an upload is kept for who waits, a repetition too; Idle says nothing."""
    world = Updated()
    for status in ("Uploading", "UploadFailed", "UploadFailed", "Idle"):
        world.advance(1)
        world.call("DiagnosticsStatusNotification", {"status": status})
    kept = msgspec.msgpack.decode(world.memory.data[firmware_keys.file_told("CP1", "diagnostics")])
    assert (kept["status"], kept["at"]) == ("UploadFailed", world.now - 1000)
