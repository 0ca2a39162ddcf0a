"""`ampstream config`: a station's configuration shown, read, compared; `ampstream config apply` is in templates.py."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import click

from ampstream.operator.api import segment
from ampstream.operator.jobs import many, one_or_many, send_many
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import cell, facts, moment, plural, table, when
from ampstream.operator.templates import apply, wanted

POLL_S: Final = 0.5
KINDS: Final = {
    "added": "new key",
    "removed": "key is gone",
    "changed": "changed",
    "made_readonly": "read-only now",
    "made_writable": "writable now",
    "firmware": "firmware",
    "error_code_new": "new error code",
    "error_code_gone": "error code is gone",
    "vendor_error_code_new": "new vendor error code",
    "vendor_error_code_gone": "vendor error code is gone",
    "measurand_new": "new measurand",
    "measurand_gone": "measurand is gone",
}
"""Kind of change -> words."""


@click.group()
def config() -> None:
    """Show, read and compare stations' configurations."""


config.add_command(apply)
config.add_command(wanted)


@config.command()
@click.argument("station_id")
@click.option("--key", "pattern", default="", help="Only keys that hold this text, in any case.")
@operator
async def show(session: Session, station_id: str, pattern: str) -> None:
    """Show a station's configuration as it was last read."""
    _shown(session, await _configuration(session, station_id), pattern)


@config.command()
@click.argument("station_id", required=False)
@click.option("--wait", is_flag=True, help="Wait for the answer and show it; exit status 1 where none comes, from all.")
@click.option("--wait-s", type=click.IntRange(1, 600), default=60, show_default=True, help="How long, for one station.")
@many
@operator
async def read(session: Session, station_id: str | None, *, wait: bool, wait_s: int, **options: Any) -> None:
    """Have configurations read now, or when their stations are back.

    In place of STATION_ID --stations, --group, --filter or --all say of which: a job reads them, a few at a time.
    `ampstream jobs` shows, pauses and cancels it; with --wait this command shows how far it is until its end.
    """
    stations = one_or_many(station_id, options)
    if stations is not None:
        await send_many(session, {"kind": "read_configuration", **stations}, options, wait=wait)
        return
    assert station_id is not None, "one_or_many says so"
    before = await _configuration(session, station_id)
    item = await session.api.ask("POST", f"/stations/{segment(station_id)}/configuration/read")
    if not wait:
        session.done(f"{station_id} is asked", item)
        return
    for _ in range(round(wait_s / POLL_S)):
        now = await _configuration(session, station_id)
        if not now["reading"] and (now["read_at"], now["failed_at"]) != (before["read_at"], before["failed_at"]):
            break
        await asyncio.sleep(POLL_S)
    else:
        raise click.ClickException(f"no answer within {wait_s} s; the read goes on")
    if now["failed_at"] != before["failed_at"] and now["failure"]:
        raise click.ClickException(f"it could not be read: {now['failure']}")
    _shown(session, now, "")


@config.command()
@click.argument("station_id")
@limited(20)
@operator
async def history(session: Session, station_id: str, limit: int) -> None:
    """List the versions of a station's configuration, the newest first."""
    await listed(
        session,
        session.api.items(f"/stations/{segment(station_id)}/configuration/history", {}, limit),
        ("#version", "read", "why", "firmware", "#keys", "#changes", "", "~what"),
        lambda one: (
            one["version"], when(one["read_at"]), one["trigger"], one["firmware"], one["keys"], len(one["changes"]),
            "drift" if one["drift_id"] else "", summary(one["changes"]),
        ),
        "version", limit=limit,
    )  # fmt: skip


@config.command()
@click.argument("station_id")
@click.option("--from", "older", type=click.IntRange(min=0), default=0, help="Version; else the one before --to.")
@click.option("--to", "newer", type=click.IntRange(min=0), default=0, help="Version; else the last one.")
@operator
async def diff(session: Session, station_id: str, older: int, newer: int) -> None:
    """Show what changed between two versions of a station's configuration."""
    params = {name: number for name, number in (("from", older), ("to", newer)) if number}
    item = await session.api.ask("GET", f"/stations/{segment(station_id)}/configuration/diff", params=params)
    if session.as_json:
        session.emit(item)
        return
    session.out.print(f"{cell(station_id)}: version {item['from']} → {item['to']}")
    session.out.print(changes_table(item["changes"]))
    session.out.print(f"[dim]{plural(len(item['changes']), 'change')}[/]")


def changes_table(changes: list[dict[str, Any]]) -> Any:
    """Return changes as a table."""
    rows = [(KINDS.get(one["kind"], one["kind"]), one["name"], one["before"], one["after"]) for one in changes]
    return table(("change", "name", "~before", "~after"), rows)


def summary(changes: list[dict[str, Any]]) -> str:
    """Return the first few names of changes."""
    names = list(dict.fromkeys(one["name"] or KINDS[one["kind"]] for one in changes))
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


async def _configuration(session: Session, station_id: str) -> dict[str, Any]:
    found: dict[str, Any] = await session.api.ask("GET", f"/stations/{segment(station_id)}/configuration")
    return found


def _shown(session: Session, item: dict[str, Any], pattern: str) -> None:
    keys = [one for one in item["keys"] if pattern.lower() in one["key"].lower()]
    if session.as_json:
        session.emit({**item, "keys": keys})
        return
    doubts = [
        word
        for word, holds in (
            ("stale", item["stale"]),
            ("only the standard's keys could be asked for", item["partial"]),
            (f"{item['dropped']} keys left out", item["dropped"]),
            ("being read", item["reading"]),
        )
        if holds
    ]
    session.out.print(
        facts(
            [
                ("station", item["station_id"]),
                ("model", " ".join(filter(None, (item["vendor"], item["model"], item["firmware"])))),
                ("read", moment(item["read_at"]) or "never"),
                ("version", item["version"]),
                ("but", ", ".join(doubts)),
                ("failed", f"{moment(item['failed_at'])}: {item['failure']}" if item["failed_at"] else ""),
                ("next", moment(item["next_at"])),
                ("open drifts", item["open_drifts"] or ""),
            ]
        )
    )
    session.out.print(
        table(
            ("key", "~value", ""), [(one["key"], one["value"], "read-only" if one["readonly"] else " ") for one in keys]
        )
    )
