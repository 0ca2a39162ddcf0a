"""Meter values as CSV, one line a sample, sent while it is read."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterator
from typing import Final

from aiohttp import web

from edge.operators.models.transactions import Reading

COLUMNS: Final = (
    *("timestamp", "received_at", "connector_id", "measurand", "value", "unit", "phase", "location", "context"),
    *("format", "flags"),
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


async def send(
    request: web.Request, file_name: str, call_id: str, readings: AsyncIterator[list[Reading]]
) -> web.StreamResponse:
    """Answer with all samples; memory holds one chunk of them."""
    # The first chunk is read before the answer begins, so that a Redis that fails now still gives a problem.
    first: list[Reading] = await anext(readings, [])
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{file_name}"',
            "Cache-Control": "no-store",
            "X-Request-Id": call_id,
        }
    )
    await response.prepare(request)
    await response.write(_lines([COLUMNS]) + _lines(_rows(first)))
    async for chunk in readings:
        await response.write(_lines(_rows(chunk)))
    await response.write_eof()
    return response


def _rows(readings: list[Reading]) -> Iterator[tuple[object, ...]]:
    for reading in readings:
        for sample in reading.samples:
            yield (
                reading.timestamp,
                reading.received_at,
                reading.connector_id,
                _cell(sample.measurand),
                _cell(sample.value),
                _cell(sample.unit),
                _cell(sample.phase or ""),
                _cell(sample.location),
                _cell(sample.context),
                _cell(sample.format),
                _cell(" ".join(dict.fromkeys((*reading.flags, *sample.flags)))),
            )


def _cell(value: float | str) -> float | str:
    """Keep a spreadsheet from reading a station's text as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _lines(rows: Iterator[tuple[object, ...]] | list[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
