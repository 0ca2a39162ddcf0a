"""Files: listed, downloaded, deleted; diagnostics and logs asked of a station."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Cursor, Limit, Page, StationId
from edge.operators.models.files import File
from edge.operators.problems import ProblemError, missing
from edge.operators.resources import sending
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.lists import page, position, shown
from edge.operators.resources.stations import StationPath, known
from edge.operators.routes import Table
from edge.operators.times import GivenInstant, instant, milliseconds
from edge.transfers import sending as bytes_out
from edge.transfers.listener import open_storage
from edge.transfers.storage import NotThere, Storage
from shared.bus.clock import now_ms
from shared.records import files_links
from shared.records.files import FileKind, FileRecord, FileState, make_file_id
from shared.records.queries import files
from shared.records.requests import SendCommand
from shared.settings import Settings

TABLE: Final = Table("files")
_route = TABLE.route

FileId = Annotated[str, Meta(pattern=r"^[0-9a-f-]{36}$")]
What = Literal["diagnostics", "DiagnosticsLog", "SecurityLog"]


class FilePath(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    file_id: FileId


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    kind: FileKind | None = None
    state: FileState | None = None
    station_id: StationId | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class NewDiagnostics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to ask of a station."""

    what: Annotated[
        What, Meta(description="`diagnostics`: GetDiagnostics. Else: GetLog, of the security extension, of this type.")
    ] = "diagnostics"
    begin: GivenInstant | None = None
    """Only what was logged from then on."""
    end: GivenInstant | None = None
    retries: Annotated[int, Meta(ge=0, le=20)] = 2
    retry_interval_s: Annotated[int, Meta(ge=1, le=86400)] = 60
    expires_in_s: Annotated[int, Meta(ge=1, le=7 * 24 * 3600, description="Not asked for after so long.")] = 3600


@_route("GET", "/files", "List files", scope="read", params=FileList, response=Page[File])
async def list_files(call: Call[FileList, None]) -> Page[File]:
    """Return firmware contents, diagnostics and logs, the newest first."""
    params = call.params
    query = ("files", params.kind, params.state, params.station_id)
    found, after = await files.page(
        call.lane,
        kind=params.kind,
        state=params.state,
        station_id=params.station_id or "",
        after=position(params.cursor, *query),
        limit=params.limit,
    )
    return page(await shown(found, File.of), after, *query)


@_route("GET", "/files/{file_id}", "Show a file", scope="read", params=FilePath, response=File, errors=("not_found",))
async def show_file(call: Call[FilePath, None]) -> File:
    """Return what is known of a file: of one that is on its way, how much has come and what the station says."""
    record = await _known(call)
    told = await files.told(call.lane, record) if record.station_id else None
    return File.of(record, told)


@_route(
    "GET", "/files/{file_id}/content", "Download a file", scope="operate", params=FilePath,
    media=("application/octet-stream",), errors=("not_found", "conflict"),
)  # fmt: skip
async def get_content(call: Call[FilePath, None]) -> web.StreamResponse:
    """Return a file's content; ranges are served. 409 where it is not here yet."""
    record = await _known(call)
    if record.state != "stored":
        raise ProblemError("conflict", f"the file is {record.state}")
    try:
        reader = await storage_of(call.parts.settings).open(record.content_id)
    except NotThere:
        raise missing("content of file", record.file_id) from None
    try:
        etag = f'"{record.sha256[:32]}"'
        part = bytes_out.wanted(call.request, record.size, etag)
        if part is None:
            raise ProblemError.of_field("bad_parameter", "header", "Range", "lies outside of the file")
        head = bytes_out.headers(record.name, etag, record.sha256, part, record.size)
        response = web.StreamResponse(status=200 if part.whole else 206, headers=head)
        await response.prepare(call.request)
        sent = await bytes_out.send(response, reader, part, call.parts.settings.transfer_idle_s, 0)
        if sent < part.end - part.begin:
            response.force_close()
        return response
    finally:
        await reader.close()


@_route(
    "DELETE", "/files/{file_id}", "Delete a file", scope="operate", params=FilePath, errors=("not_found", "conflict")
)
async def delete_file(call: Call[FilePath, None]) -> None:
    """Delete diagnostics or a log before its time, or wait for it no longer. 409 for firmware: delete its image."""
    record = await _known(call)
    if record.kind == "firmware":
        raise ProblemError("conflict", "it is an image's content; delete the image")
    await storage_of(call.parts.settings).delete(record.file_id)
    await files.forget(call.lane, record.file_id)


@_route(
    "POST", "/stations/{station_id}/diagnostics", "Ask a station for diagnostics or a log", scope="operate",
    params=StationPath, body=NewDiagnostics, response=File, status=202,
    errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def ask_for_diagnostics(call: Call[StationPath, NewDiagnostics]) -> File:
    """Send GetDiagnostics or GetLog with a link to our own port; the file is `stored` once all of it has come.

    409 where AMPSTREAM_TRANSFER_DIR is not set.
    """
    station_id, body, settings = call.params.station_id, call.body, call.parts.settings
    storage_of(settings)
    station = await known(call, station_id)
    now = await now_ms(call.lane)
    record = FileRecord(
        file_id=make_file_id(now, secrets.token_hex(12)),
        kind="diagnostics" if body.what == "diagnostics" else "log",
        name=f"{station_id}-{body.what}",
        station_id=station_id,
        log_type="" if body.what == "diagnostics" else body.what,
        limit=settings.upload_max_bytes,
        created_at=now,
        created_by=call.token.name,
        expires_at=now + settings.file_retention_s * 1000,
    )
    lasts_ms = body.expires_in_s * 1000 + settings.transfer_link_s * 1000
    link = files_links.make("put", record.file_id, station_id, now + lasts_ms)
    token = files_links.sign(await files_links.load_key(call.lane), link)
    location = files_links.upload_url(files_links.base_url(settings), token)
    action, payload = _command(body, record, location)
    asked = SendCommand(
        request_id=request_id(call),
        by=call.token.name,
        action=action,
        payload=sending.checked(sending.version_of(station), action, payload),
        expires_in_ms=body.expires_in_s * 1000,
    )
    await files.create(call.lane, record)
    try:
        command = sending.record_of((await ask(call, station_id, asked)).body)
    except ProblemError as problem:
        if problem.kind != "outcome_unknown":
            await files.forget(call.lane, record.file_id)
        raise
    made, _ = await files.change(
        call.lane, record.file_id, lambda one: msgspec.structs.replace(one, command_id=command.command_id)
    )
    return File.of(made or record)


def _command(body: NewDiagnostics, record: FileRecord, location: str) -> tuple[str, dict[str, Any]]:
    begin = instant(milliseconds(body.begin)) if body.begin else None
    end = instant(milliseconds(body.end)) if body.end else None
    more: dict[str, Any] = {"retries": body.retries, "retryInterval": body.retry_interval_s}
    if body.what == "diagnostics":
        times = {"startTime": begin, "stopTime": end}
        return "GetDiagnostics", {"location": location, **more, **_given(times)}
    times = {"oldestTimestamp": begin, "latestTimestamp": end}
    number = int(record.file_id[-7:], 16)
    return "GetLog", {
        "logType": body.what,
        "requestId": number,
        "log": {"remoteLocation": location, **_given(times)},
        **more,
    }


def _given(fields: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def storage_of(settings: Settings) -> Storage:
    """Return where contents lie; raises `ProblemError` 409 where no place is set."""
    found = open_storage(settings)
    if found is None:
        raise ProblemError("conflict", "AMPSTREAM_TRANSFER_DIR is not set: this system keeps no files")
    return found


async def _known(call: Call[FilePath, None]) -> FileRecord:
    found = await files.file(call.lane, call.params.file_id)
    if found is None:
        raise missing("file", call.params.file_id)
    return found
