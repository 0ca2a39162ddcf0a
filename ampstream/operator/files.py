"""`ampstream files` and `ampstream diagnostics`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final, get_args

import click
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from ampstream.operator.api import segment
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, moment, when
from shared.records.files import FileKind, FileState, plain_name

KINDS: Final = click.Choice(list(get_args(FileKind)))
STATES: Final = click.Choice(list(get_args(FileState)))
WHATS: Final = {"diagnostics": "diagnostics", "security": "SecurityLog", "log": "DiagnosticsLog"}
FAILED: Final = ("UploadFailed", "UploadFailure", "BadMessage", "NotSupportedOperation", "PermissionDenied")
"""What a station says of an upload that will not come."""
ENDED_BADLY: Final = ("rejected", "error", "timed_out", "expired", "cancelled")
LOOK_S: Final = 0.5
AFTER_FAILURE_S: Final = 90.0
"""A station that says it failed may try again by itself."""


@click.group()
def files() -> None:
    """List, download and delete files: diagnostics, logs, firmware."""


@files.command("list")
@click.option("--kind", type=KINDS, help="Only these.")
@click.option("--state", type=STATES, help="Only these.")
@click.option("--station", "station_id", help="Only this station's.")
@limited(50)
@operator
async def list_files(session: Session, *, limit: int, **filters: Any) -> None:
    """List files, the newest first."""
    await listed(
        session,
        session.api.items("/files", filters, limit),
        ("file", "kind", "station", "~name", "state", "#size", "created", "deleted"),
        lambda one: (
            one["id"], one["kind"], one["station_id"], one["name"], one["state"], decimal(one["size"]),
            when(one["created_at"]), when(one["expires_at"]),
        ),
        "file", limit=limit,
    )  # fmt: skip


@files.command()
@click.argument("file_id")
@operator
async def show(session: Session, file_id: str) -> None:
    """Show one file."""
    item = await session.api.ask("GET", f"/files/{segment(file_id)}")
    if session.as_json:
        session.emit(item)
        return
    session.out.print(
        facts(
            [
                ("file", item["id"]),
                ("kind", item["log_type"] or item["kind"]),
                ("name", item["name"]),
                ("station", item["station_id"]),
                ("state", item["state"]),
                ("size", f"{item['size']:,} bytes"),
                ("SHA-256", item["sha256"]),
                ("the station says", item["told"]),
                ("error", item["error"]),
                ("created", f"{moment(item['created_at'])} by {item['created_by']}"),
                ("stored", moment(item["stored_at"])),
                ("deleted", moment(item["expires_at"])),
            ]
        )
    )


@files.command()
@click.argument("file_id")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Where to; else its name, in this directory.")
@operator
async def download(session: Session, file_id: str, *, output: Path | None) -> None:
    """Download a file."""
    item = await session.api.ask("GET", f"/files/{segment(file_id)}")
    path = await fetch(session, item, output)
    session.done(f"{path}, {item['size']:,} bytes", {"path": str(path), **item})


@files.command()
@click.argument("file_id")
@operator
async def delete(session: Session, file_id: str) -> None:
    """Delete diagnostics or a log."""
    await session.api.ask("DELETE", f"/files/{segment(file_id)}")
    session.done("deleted")


@click.command()
@click.argument("station_id")
@click.option("--log", "what", type=click.Choice(["security", "log"]), help="GetLog instead: this log.")
@click.option("--since", help="Only from then on, e.g. 2026-03-01T00:00:00Z.")
@click.option("--until", help="Only until then.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Where to; else its name, in this directory.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(1), default=900, show_default=True, help="Seconds.")
@click.option("--no-wait", is_flag=True, help="Only ask; `ampstream files` shows what comes.")
@operator
async def diagnostics(
    session: Session,
    station_id: str,
    *,
    what: str | None,
    since: str | None,
    until: str | None,
    output: Path | None,
    timeout_s: float,
    no_wait: bool,
) -> None:
    """Ask a station for its diagnostics, wait for them, and download them."""
    body = {"what": WHATS[what or "diagnostics"]}
    body |= {name: text for name, text in (("begin", since), ("end", until)) if text is not None}
    item = await session.api.ask("POST", f"/stations/{segment(station_id)}/diagnostics", json=body)
    if no_wait:
        session.done(f"asked; `ampstream files show {item['id']}`", item)
        return
    item = await _until_stored(session, item, timeout_s)
    path = await fetch(session, item, output)
    session.done(f"{path}, {item['size']:,} bytes", {"path": str(path), **item})


async def _until_stored(session: Session, item: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """Follow an upload until it is here; raises `click.ClickException` where it will not come."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    clock = asyncio.get_running_loop().time
    until, failed_at = clock() + timeout_s, 0.0
    with Progress(*columns, console=session.err, transient=True, disable=session.as_json) as progress:
        bar = progress.add_task("waiting for the station", total=None)
        while clock() < until:
            item = await session.api.ask("GET", f"/files/{segment(item['id'])}")
            words = item["error"] or item["told"] or "waiting for the station"
            progress.update(bar, completed=item["size"], description=words)
            if item["state"] == "stored":
                return item
            await _check_command(session, item)
            failed_at = (failed_at or clock()) if item["told"] in FAILED and item["state"] == "expected" else 0.0
            if failed_at and clock() > failed_at + AFTER_FAILURE_S:
                why = f": {item['error']}" if item["error"] else ""
                raise click.ClickException(f"the station says {item['told']}{why}")
            await asyncio.sleep(LOOK_S)
    raise click.ClickException(
        f"nothing came in {timeout_s:g} s; `ampstream files show {item['id']}` tells when it does"
    )


async def _check_command(session: Session, item: dict[str, Any]) -> None:
    """Raise `click.ClickException` where the station will leave nothing."""
    if item["command_id"] is None or item["state"] != "expected":
        return
    command = await session.api.ask("GET", f"/commands/{segment(item['command_id'])}")
    if command["state"] in ENDED_BADLY:
        raise click.ClickException(f"the station was asked, and that is {command['state']}: {command['error'] or ''}")
    answer = command["response"]
    nothing = isinstance(answer, dict) and not answer.get("fileName") and not answer.get("status")
    if command["state"] == "accepted" and command["action"] == "GetDiagnostics" and nothing:
        raise click.ClickException("the station has no diagnostics (it named no file)")


async def fetch(session: Session, item: dict[str, Any], output: Path | None) -> Path:
    """Download a file's content; what is there already is not overwritten unless it was named."""
    path = output or _free(Path(plain_name(item["name"])))
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            async for data in session.api.download(f"/files/{segment(item['id'])}/content", {}):
                file.write(data)
        if part.stat().st_size != item["size"]:
            raise click.ClickException(f"the download broke off after {part.stat().st_size} of {item['size']} bytes")
        part.replace(path)
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return path


def _free(path: Path) -> Path:
    """Return the path, or one beside it that nothing has."""
    number, found = 1, path
    while found.exists():
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return found
