"""Images, campaigns and files over the API."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from shared.bus import firmware_keys
from shared.envelopes import Reply
from shared.records.commands import CommandRecord
from shared.records.firmware import UpdateResult
from shared.records.packing import pack
from shared.records.queries import files
from shared.records.requests import Request, SendCommand
from shared.records.stations import SessionRecord
from shared.settings import Settings
from tests.edge.operators.stage import T0, Stage, running
from tests.edge.transfers.signing import signed

CONTENT = b"firmware" * 1000
BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture
async def depot(settings: Settings, tmp_path: Path) -> AsyncIterator[Stage]:
    """A listener with a directory for files."""
    settings = msgspec.structs.replace(
        settings, transfer_dir=str(tmp_path), transfer_reserve_bytes=0, transfer_allowed="ftp://ftp.acme.com"
    )
    async with running(settings) as found:
        yield found


async def image(stage: Stage, **fields: Any) -> dict[str, Any]:
    """Make an image with its content."""
    status, made = await stage.ask("POST", "/firmware-images", json={"version": "2.0.0", **fields})
    assert status == 201, made
    if not made["ready"]:
        status, made = await stage.ask("PUT", f"/firmware-images/{made['id']}/content", data=CONTENT, headers=BYTES)
        assert status == 200, made
    found: dict[str, Any] = made
    return found


async def test_images(depot: Stage) -> None:
    """Made known, uploaded whole with its checksum, listed, deleted with its content."""
    made = await image(depot, vendor="Acme", model="One", sha256=hashlib.sha256(CONTENT).hexdigest().upper())
    assert (made["file_name"], made["size"], made["ready"]) == ("Acme-One-2.0.0.bin", len(CONTENT), True)
    assert made["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    (listed,) = await depot.all_of("/files", kind="firmware")
    assert (listed["state"], listed["expires_at"]) == ("stored", None)
    headers = depot.headers() | {"Range": "bytes=0-7"}
    async with depot.http.get(f"{depot.url}/api/v1/files/{listed['id']}/content", headers=headers) as answer:
        assert (answer.status, await answer.read()) == (206, b"firmware")
    assert (await depot.ask("DELETE", f"/files/{listed['id']}"))[0] == 409
    again = await depot.ask("PUT", f"/firmware-images/{made['id']}/content", data=CONTENT, headers=BYTES)
    assert again[0] == 409
    assert (await depot.ask("DELETE", f"/firmware-images/{made['id']}"))[0] == 204
    assert await depot.all_of("/files") == []
    assert (await depot.ask("GET", f"/firmware-images/{made['id']}"))[0] == 404


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"location": "https://evil.org/f"}, "location"),
        ({"location": "file:///etc/passwd"}, "location"),
        ({"signature": "c2ln"}, "signing_certificate"),
        ({"signature": "!", "signing_certificate": "-----BEGIN CERTIFICATE-----"}, "signature"),
        ({"signature": "c2ln", "signing_certificate": "PEM"}, "signing_certificate"),
        ({"version": ""}, "version"),
        ({"sha256": "abc"}, "sha256"),
    ],
)
async def test_images_that_are_wrong(depot: Stage, fields: dict[str, Any], name: str) -> None:
    """Each names its field."""
    status, body = await depot.ask("POST", "/firmware-images", json={"version": "2", **fields})
    assert (status, body["errors"][0]["name"]) == (422, name)


async def test_contents_that_are_wrong(depot: Stage) -> None:
    """Another checksum, nothing, too much, a full disk: nothing is kept, and the upload may be tried again."""
    _, made = await depot.ask("POST", "/firmware-images", json={"version": "2", "sha256": "0" * 64})
    path = f"/firmware-images/{made['id']}/content"
    status, body = await depot.ask("PUT", path, data=CONTENT, headers=BYTES)
    assert (status, body["errors"][0]["name"]) == (422, "sha256")
    assert (await depot.ask("PUT", path, data=b"", headers=BYTES))[0] == 422
    assert (await depot.ask("PUT", path, json={}))[0] == 415
    with patch("os.fsync", side_effect=OSError(28, "No space left on device")):
        _, other = await depot.ask("POST", "/firmware-images", json={"version": "3"})
        status, body = await depot.ask("PUT", f"/firmware-images/{other['id']}/content", data=CONTENT, headers=BYTES)
        assert (status, body["detail"]) == (503, "the disk is full")
    assert await depot.all_of("/files") == []


async def test_a_signature_is_looked_at(depot: Stage) -> None:
    """One that fits the content is told from one that does not, and neither is refused."""
    for content, fits in ((CONTENT, True), (CONTENT + b"!", False)):
        certificate, signature = signed(content)
        made = await image(depot, signature=signature, signing_certificate=certificate)
        assert (made["signed"], made["verified"]) == (True, fits)


async def test_without_a_directory(stage: Stage) -> None:
    """Everything that needs one says which setting is missing."""
    status, body = await stage.ask("POST", "/firmware-images", json={"version": "2"})
    assert (status, "AMPSTREAM_TRANSFER_DIR" in body["detail"]) == (409, True)


async def test_campaigns(depot: Stage) -> None:
    """Made once for its key, shown with its windows; changed, and its stations listed."""
    made = await image(depot, vendor="Acme")
    await depot.station("CP1", vendor="acme")
    await depot.station("CP2", vendor="Other")
    body = {
        "image_id": made["id"], "filter": {}, "windows": ["sat,sun 00:00-24:00", "22:00-5:00"],
        "time_zone": "Europe/Berlin", "paused": True,
    }  # fmt: skip
    headers = {"Idempotency-Key": "the-same-key"}
    status, one = await depot.ask("POST", "/firmware-campaigns", json=body, headers=headers)
    assert (status, one["total"], one["state"]) == (201, 1, "paused")
    assert (one["windows"], one["filter"]["vendor"]) == (["sat,sun 00:00-24:00", "22:00-05:00"], "Acme")
    assert (await depot.ask("POST", "/firmware-campaigns", json=body, headers=headers))[0] == 200
    path = f"/firmware-campaigns/{one['id']}"
    assert (await depot.ask("DELETE", f"/firmware-images/{made['id']}"))[0] == 409
    assert (await depot.ask("POST", f"{path}/resume"))[1]["state"] == "running"
    assert (await depot.ask("POST", f"{path}/retry"))[0] == 409
    (station,) = await depot.all_of(f"{path}/stations")
    assert (station["station_id"], station["outcome"], station["attempt"]) == ("CP1", "waiting", 1)
    assert (await depot.ask("POST", f"{path}/cancel"))[1]["state"] == "cancelled"
    assert (await depot.ask("POST", f"{path}/pause"))[0] == 409
    assert [each["id"] for each in await depot.all_of("/firmware-campaigns", state="cancelled")] == [one["id"]]


async def test_failed_stations_are_retried(depot: Stage) -> None:
    """Those that failed wait again; the campaign runs. One that was not begun at its turn says why."""
    made = await image(depot)
    await depot.station("CP1")
    _, one = await depot.ask("POST", "/firmware-campaigns", json={"image_id": made["id"], "stations": ["CP1"]})
    number = one["id"]
    failed = UpdateResult(outcome="failed", attempt=2, at=T0, stage="downloading", detail="DownloadFailed")
    await depot.write(
        ("HSET", firmware_keys.campaign_results(number), "CP1", pack(failed)),
        ("ZREM", firmware_keys.campaign_place(number, "waiting"), "CP1"),
        ("HSET", firmware_keys.campaign(number), "state", "done", "ended_at", T0, "n:failed", 1),
    )
    (station,) = await depot.all_of(f"/firmware-campaigns/{number}/stations", outcome="failed")
    assert (station["stage"], station["detail"], station["attempt"]) == ("downloading", "DownloadFailed", 2)
    status, one = await depot.ask("POST", f"/firmware-campaigns/{number}/retry")
    assert (status, one["state"], one["outcomes"]["failed"], one["progress"]["waiting"]) == (200, "running", 0, 1)
    await depot.write(
        ("ZREM", firmware_keys.campaign_place(number, "waiting"), "CP1"),
        ("ZADD", firmware_keys.campaign_place(number, "resting"), T0 + 1000, "CP1"),
    )
    (station,) = await depot.all_of(f"/firmware-campaigns/{number}/stations", outcome="resting")
    assert station["detail"].startswith("at its turn a transaction ran")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"image_id": "none"}, "image_id"),
        ({"stations": None}, "stations"),
        ({"stations": ["NOBODY"]}, "stations[0]"),
        ({"stations": ["CP2"]}, "stations"),
        ({"windows": ["noon"]}, "windows[0]"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"signed": "always"}, "signed"),
        ({"batch": 0}, "batch"),
    ],
)
async def test_campaigns_that_are_wrong(depot: Stage, fields: dict[str, Any], name: str) -> None:
    """Each names its field."""
    made = await image(depot, vendor="Acme")
    await depot.station("CP1")
    await depot.station("CP2", vendor="Other")
    body = {"image_id": made["id"], "stations": ["CP1"], **fields}
    status, answer = await depot.ask("POST", "/firmware-campaigns", json=body)
    assert (status, answer["errors"][0]["name"]) == (422, name)


async def test_an_image_without_content(depot: Stage) -> None:
    """No campaign brings what is not there."""
    await depot.station("CP1")
    _, made = await depot.ask("POST", "/firmware-images", json={"version": "2"})
    status, body = await depot.ask("POST", "/firmware-campaigns", json={"image_id": made["id"], "stations": ["CP1"]})
    assert (status, body["detail"]) == (422, "`image_id` has no content yet")
    other = await image(depot, location="ftp://user:secret@ftp.acme.com/f.bin")
    assert other["location"] == "ftp://user:***@ftp.acme.com/f.bin"


@pytest.mark.parametrize(("what", "action"), [("diagnostics", "GetDiagnostics"), ("SecurityLog", "GetLog")])
async def test_diagnostics(depot: Stage, what: str, action: str) -> None:
    """The command goes out with a link to our own port; the file is expected; the link is in no answer."""
    await depot.station("CP1", session=SessionRecord(connection="open", opened_at=T0))
    sent: list[Request] = []

    def answer(_: str, request: Request) -> Reply:
        assert isinstance(request, SendCommand)
        sent.append(request)
        record = CommandRecord(command_id="c1", station_id="CP1", action=action, payload=request.payload)
        return Reply(request.request_id, 202, msgspec.json.encode(record))

    depot.node.answer = answer
    body = {"what": what, "begin": "2026-01-01T00:00:00Z"}
    status, found = await depot.ask("POST", "/stations/CP1/diagnostics", json=body)
    assert (status, found["state"], found["command_id"]) == (202, "expected", "c1")
    (request,) = sent
    assert isinstance(request, SendCommand)
    payload = msgspec.json.decode(request.payload)
    location = payload["location"] if what == "diagnostics" else payload["log"]["remoteLocation"]
    assert location.startswith("http://127.0.0.1:9080/transfer/")
    assert "transfer/" not in str(found)
    shown = await depot.get(f"/files/{found['id']}")
    assert (shown["told"], shown["log_type"]) == (None, None if what == "diagnostics" else what)
    record = await files.file(depot.lane, found["id"])
    assert record is not None
    assert (await depot.ask("DELETE", f"/files/{found['id']}"))[0] == 204
    assert (await depot.ask("GET", f"/files/{found['id']}/content"))[0] == 404


@pytest.mark.parametrize(
    ("location", "status"),
    [("ftp://ftp.acme.com/f", 202), ("https://evil.org/f", 422), ("http://127.0.0.1:9080/transfer/x", 202)],
)
async def test_stations_are_sent_to_allowed_places_only(depot: Stage, location: str, status: int) -> None:
    """Commands by hand, to one or to many: our own port, and what the setting names."""
    await depot.station("CP1")
    record = CommandRecord(command_id="c1", station_id="CP1", action="GetDiagnostics", payload="{}")
    depot.node.answer = lambda _, request: Reply(request.request_id, 202, msgspec.json.encode(record))
    body = {"action": "GetDiagnostics", "payload": {"location": location}}
    found, answer = await depot.ask("POST", "/stations/CP1/commands", json=body)
    assert found == status
    if status == 422:
        assert answer["errors"][0]["name"] == "payload.location"
        assert "ftp://ftp.acme.com" in answer["detail"]
    many, _ = await depot.ask("POST", "/jobs", json={**body, "stations": ["CP1"]})
    assert many == (201 if status == 202 else 422)


async def test_locations_are_masked(depot: Stage) -> None:
    """Whatever a command's payload holds that lets somebody in is in no answer of the API."""
    await depot.station("CP1")
    payload = '{"location":"ftp://user:secret@ftp.acme.com/","note":"http://h/transfer/tok.en/"}'
    record = CommandRecord(command_id="c1", station_id="CP1", action="GetDiagnostics", payload=payload)
    depot.node.answer = lambda _, request: Reply(request.request_id, 202, msgspec.json.encode(record))
    body = {"action": "GetDiagnostics", "payload": {"location": "ftp://ftp.acme.com/"}}
    _, answer = await depot.ask("POST", "/stations/CP1/commands", json=body)
    assert answer["payload"] == {"location": "ftp://user:***@ftp.acme.com/", "note": "http://h/transfer/***/"}
