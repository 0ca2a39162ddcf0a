"""The audit log: asked, and exported whole. Nothing here changes it, and no other part of the API can."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.audit import AuditEntry
from edge.operators.models.base import Cursor, Limit, Page
from edge.operators.resources.lists import STREAM_ID, member, page, shown
from edge.operators.routes import Table
from edge.operators.times import GivenInstant, instant, milliseconds
from shared.records.audit import Link, Outcome
from shared.records.queries import audit
from shared.records.queries.audit import AuditFilter

TABLE: Final = Table("audit")
_route = TABLE.route

JSONL: Final = "application/jsonl"
CSV: Final = "text/csv"
COLUMNS: Final = (
    *("seq", "at", "phase", "kind", "name", "id", "scope", "address", "action", "method", "route", "target"),
    *("outcome", "status", "problem", "result", "request_id", "details", "previous", "hash"),
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class AuditSpan(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """From when until when; absent: everything that is kept."""

    since: GivenInstant | None = None
    until: GivenInstant | None = None


class AuditList(AuditSpan, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """Filters of the list."""

    who: Annotated[str, Meta(max_length=100, description="Name or id of a token or a person.")] = ""
    action: Annotated[str, Meta(max_length=64, description="An operation's id, e.g. `create_token`.")] = ""
    target: Annotated[
        str, Meta(max_length=200, description="What it was about: a station, a job, a token, as the path names it.")
    ] = ""
    id_tag: Annotated[str, Meta(max_length=255, description="An id tag; the log has its pseudonym.")] = ""
    outcome: Outcome | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class AuditExport(AuditSpan, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """What to export."""

    format: Literal["jsonl", "csv"] = "jsonl"


@_route("GET", "/audit", "List the audit log", scope="admin", params=AuditList, response=Page[AuditEntry])
async def list_audit(call: Call[AuditList, None]) -> Page[AuditEntry]:
    """Return what was changed or tried, the newest first: who, what, from where, and the outcome."""
    params = call.params
    tag = (await call.parts.auditor.masker()).pseudonym(params.id_tag) if params.id_tag else ""
    wanted = AuditFilter(
        who=params.who,
        action=params.action,
        target=params.target,
        tag=tag,
        outcome=params.outcome,
        since=_from(params.since),
        until=_from(params.until),
    )
    query = ("audit", wanted)
    found, after = await audit.page(call.lane, wanted, member(params.cursor, *query, shape=STREAM_ID), params.limit)
    return page(await shown(found, AuditEntry.of), after, *query)


@_route(
    "GET", "/audit/export", "Export the audit log", scope="admin", params=AuditExport, media=(JSONL, CSV),
)  # fmt: skip
async def export_audit(call: Call[AuditExport, None]) -> web.StreamResponse:
    """Send every entry, the oldest first, with the hashes that chain them: `ampstream audit verify` checks them.

    JSONL: a line is `{"entry": {...}, "previous": hash, "hash": hash}`, and `hash` is the SHA-256 of `previous`, a line
    feed and the text of `entry` as it stands there. A change has two entries, begun and ended.
    """
    links = audit.links(call.lane, _from(call.params.since), _from(call.params.until))
    # The first entries before the first byte, so that a Redis that fails now still gives a problem.
    first: list[Link] = await anext(links, [])
    kind = call.params.format
    headers = {
        "Content-Type": JSONL if kind == "jsonl" else f"{CSV}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="audit.{kind}"',
        "Cache-Control": "no-store",
        "X-Request-Id": call.id,
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(call.request)
    if kind == "csv":
        await response.write(_csv([COLUMNS]))
    async for chunk in _with(first, links):
        await response.write(_jsonl(chunk) if kind == "jsonl" else _csv(map(_row, chunk)))
    await response.write_eof()
    return response


def _from(moment: Any) -> int:
    """Return a time as the log counts it, from 1970 on; 0: none is given."""
    return max(milliseconds(moment), 1) if moment else 0


async def _with(first: list[Link], links: AsyncIterator[list[Link]]) -> AsyncIterator[list[Link]]:
    yield first
    async for chunk in links:
        yield chunk


def _jsonl(links: list[Link]) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in links)


def _row(one: Link) -> tuple[object, ...]:
    entry = one.read()
    who = entry.who
    return (
        *(entry.seq, instant(entry.at), entry.phase, who.kind, _cell(who.name), _cell(who.id), who.scope),
        *(entry.address, entry.action, entry.method, entry.route, _cell(msgspec.json.encode(entry.target).decode())),
        *(entry.outcome, entry.status or "", entry.problem, _cell(entry.result), entry.request_id),
        *(_cell(msgspec.json.encode(entry.details).decode()), one.previous, one.hash),
    )


def _cell(text: str) -> str:
    """Keep a spreadsheet from reading somebody's text as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv(rows: Iterable[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
