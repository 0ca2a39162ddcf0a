"""The import of id tags: the file in chunks, a progress bar, each bad row by its line in the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ampstream.operator.api import ApiError
from ampstream.operator.session import Session
from ampstream.operator.show import plural

CHUNK: Final = 1000
SHOWN: Final = 50
"""Bad rows that are printed; with --json all are."""

Row = tuple[int, list[str]]
"""The line where it begins, and its cells."""


async def import_file(session: Session, path: Path, *, dry_run: bool) -> None:
    """Import a file; ends the command with status 1 where a row was bad."""
    header, rows = read(path)
    totals = {"rows": 0, "created": 0, "replaced": 0, "failed": 0}
    bad: list[dict[str, Any]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=session.err, transient=True, disable=session.as_json) as progress:
        bar = progress.add_task("checking" if dry_run else "importing", total=len(rows))
        for begin in range(0, len(rows), CHUNK):
            chunk = rows[begin : begin + CHUNK]
            try:
                report = await _send(session, header, chunk, dry_run=dry_run)
            except ApiError as error:
                _stopped(session, chunk[0][0], totals)
                raise error from None
            for name in totals:
                totals[name] += report[name]
            for fault in report["errors"]:
                bad.append(fault)
                _say(session, fault, len(bad), progress)
            progress.advance(bar, len(chunk))
    _sum_up(session, totals, bad, dry_run=dry_run)


def read(path: Path) -> tuple[list[str], list[Row]]:
    """Return the column names and the rows of a CSV file; raises `click.ClickException` that says where it is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_numbered(csv.reader(file, strict=True), path))
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path}: not UTF-8 at byte {error.start}; nothing was imported") from None
    if not rows:
        raise click.ClickException(f"{path}: empty; its first line names the columns")
    return rows[0][1], rows[1:]


def _numbered(reader: Any, path: Path) -> Iterator[Row]:
    begun = 1
    try:
        for cells in reader:
            if cells:
                yield begun, cells
            begun = reader.line_num + 1
    except csv.Error as error:
        raise click.ClickException(f"{path}, line {reader.line_num}: {error}; nothing was imported") from None


async def _send(session: Session, header: list[str], chunk: list[Row], *, dry_run: bool) -> dict[str, Any]:
    """Send one chunk; the lines in the report are those of the file."""
    text, in_file = _line(header), {}
    parts, number = [text], 1 + text.count("\n")
    for line, cells in chunk:
        in_file[number] = line
        parts.append(_line(cells))
        number += parts[-1].count("\n")
    found: dict[str, Any] = await session.api.ask(
        "POST",
        "/tags/import",
        params={"dry_run": str(dry_run).lower()},
        data="".join(parts).encode(),
        headers={"Content-Type": "text/csv"},
    )
    for fault in found["errors"]:
        fault["line"] = in_file[fault["line"]]
    return found


def _line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _say(session: Session, fault: dict[str, Any], number: int, progress: Progress) -> None:
    if session.as_json or number > SHOWN:
        return
    field = f" [bold]{fault['field']}[/]" if fault["field"] else ""
    progress.console.print(f"[red]line {fault['line']}:[/]{field} {fault['message']}")


def _stopped(session: Session, line: int, totals: dict[str, int]) -> None:
    if totals["rows"]:
        session.err.print(f"[red]stopped:[/] everything before line {line} is done; importing again repeats nothing")


def _sum_up(session: Session, totals: dict[str, int], bad: list[dict[str, Any]], *, dry_run: bool) -> None:
    if session.as_json:
        session.emit({**totals, "dry_run": dry_run, "errors": bad})
    else:
        if len(bad) > SHOWN:
            session.err.print(f"[red]... and {len(bad) - SHOWN} more bad rows[/]")
        good = totals["rows"] - totals["failed"]
        words = (
            f"{good} would be imported" if dry_run else f"{totals['created']} created, {totals['replaced']} replaced"
        )
        colour = "red" if totals["failed"] else "green"
        session.out.print(f"{plural(totals['rows'], 'row')}: {words}, [{colour}]{totals['failed']} bad[/]")
    if totals["failed"]:
        raise click.exceptions.Exit(1)
