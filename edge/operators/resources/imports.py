"""Id tags from CSV: read as it comes, each bad line named, the good ones written.

    id_tag,status,expires_at,parent,concurrent_limit,note
    04A1B2C3,accepted,2027-01-01T00:00:00Z,fleet-7,1,van 12

The first line names the columns, in any order; only `id_tag` must be there, and there may be `sites` (several with a
semicolon between them), `hours` and `time_zone`. An empty cell means the default.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from aiohttp import StreamReader, web
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.inputs import BODY_TIMEOUT_S, plain
from edge.operators.problems import ProblemError
from edge.operators.resources.tags import NewTag
from edge.operators.routes import Table
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.records.queries import tags
from shared.records.tags import IdTag

TABLE: Final = Table("tags")
_route = TABLE.route

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_RECORD: Final = 64 * 1024
MAX_ERRORS: Final = 1000
CHUNK: Final = 500
COLUMNS: Final = ("id_tag", "status", "expires_at", "parent", "concurrent_limit", "note", "sites", "hours", "time_zone")


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to import."""

    dry_run: Annotated[bool, Meta(description="Check only, write nothing.")] = False


class LineError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one line; its content is not repeated."""

    line: int
    """Where the record begins; the line of the column names is 1."""
    field: str
    message: str


class ImportReport(msgspec.Struct, kw_only=True):
    """What became of an import."""

    rows: int = 0
    created: int = 0
    replaced: int = 0
    failed: int = 0
    errors: list[LineError] = []
    """The first 1,000."""

    def refuse(self, line: int, field: str, message: str) -> None:
        """Count a bad line."""
        self.failed += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors = [*self.errors, LineError(line=line, field=field, message=message)]


@_route(
    "POST", "/tags/import", "Import id tags from CSV", scope="operate", params=ImportOptions, body_media="text/csv",
    response=ImportReport, errors=("bad_body", "too_large", "body_timeout"),
)  # fmt: skip
async def import_tags(call: Call[ImportOptions, None]) -> ImportReport:
    """Create or replace a tag per line; a bad line is reported with its number and does not stop the others."""
    report = ImportReport()
    now = await now_ms(call.lane)
    batch: list[IdTag] = []
    columns: list[str] | None = None
    async for line, cells in _records(call.request):
        if columns is None:
            columns = _header(cells)
            continue
        report.rows += 1
        record = _tag(report, line, columns, cells, now)
        if record is not None:
            batch.append(record)
        if len(batch) == CHUNK:
            await _write(call.lane, batch, report, dry_run=call.params.dry_run)
            batch = []
    if columns is None:
        raise ProblemError("bad_body", "the body is empty; its first line names the columns")
    await _write(call.lane, batch, report, dry_run=call.params.dry_run)
    call.notes |= {"rows": report.rows, "created": report.created, "replaced": report.replaced, "failed": report.failed}
    return report


async def _write(lane: Lane, batch: list[IdTag], report: ImportReport, *, dry_run: bool) -> None:
    if dry_run or not batch:
        return
    new = await tags.put(lane, batch)
    report.created += sum(new)
    report.replaced += len(new) - sum(new)


def _header(cells: list[str]) -> list[str]:
    columns = [cell.strip().lower() for cell in cells]
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown:
        # The text of a first line without names might be an id tag: it is not repeated.
        place = columns.index(unknown[0]) + 1
        detail = f"column {place} of the first line has an unknown name; there are: {', '.join(COLUMNS)}"
        raise ProblemError("bad_body", detail)
    if "id_tag" not in columns or len(set(columns)) != len(columns):
        raise ProblemError("bad_body", "the first line must name the column id_tag, and none twice")
    return columns


def _tag(report: ImportReport, line: int, columns: list[str], cells: list[str], now: int) -> IdTag | None:
    if len(cells) != len(columns):
        report.refuse(line, "", f"has {len(cells)} cells where the first line names {len(columns)} columns")
        return None
    given: dict[str, Any] = {name: cell.strip() for name, cell in zip(columns, cells, strict=True) if cell.strip()}
    if "sites" in given:
        given["sites"] = [name.strip() for name in given["sites"].split(";") if name.strip()]
    try:
        parsed = msgspec.convert(given, NewTag, strict=False)
        return parsed.record(parsed.id_tag, now)
    except msgspec.ValidationError as error:
        field, message = plain(error)
        report.refuse(line, field, message)
    except ProblemError as problem:
        report.refuse(line, problem.errors[0].name, problem.errors[0].message)
    return None


async def _records(request: web.Request) -> AsyncIterator[tuple[int, list[str]]]:
    """Yield the records of the body, each with the number of the line where it begins; empty lines are passed over."""
    begun, held = 1, ""
    number = 0
    async for text in _lines(request.content):
        number += 1
        if not held:
            begun = number
            if not text.strip():
                continue
        held += text
        if len(held) > MAX_RECORD:
            raise ProblemError(
                "bad_body", f"line {begun}: longer than {MAX_RECORD} characters, or a quote is not closed"
            )
        if held.count('"') % 2 == 0:
            yield begun, _cells(begun, held)
            held = ""
    if held:
        raise ProblemError("bad_body", f"line {begun}: a quote is not closed")


def _cells(line: int, text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise ProblemError("bad_body", f"line {line}: {error}") from None


async def _lines(content: StreamReader) -> AsyncIterator[str]:
    held, size = b"", 0
    while True:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                chunk = await content.readany()
        except TimeoutError:
            raise ProblemError("body_timeout", f"nothing came for {BODY_TIMEOUT_S:.0f} s") from None
        size += len(chunk)
        if size > MAX_BYTES:
            raise ProblemError("too_large", f"an import has at most {MAX_BYTES >> 20} MiB; split it")
        held += chunk
        if not chunk:
            break
        *whole, held = held.split(b"\n")
        for line in whole:
            yield _text(line)
        if len(held) > MAX_RECORD:
            raise ProblemError("bad_body", f"a line is longer than {MAX_RECORD} bytes")
    if held:
        yield _text(held)


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig").rstrip("\r") + "\n"
    except UnicodeDecodeError:
        raise ProblemError("bad_body", "the body is not UTF-8") from None
