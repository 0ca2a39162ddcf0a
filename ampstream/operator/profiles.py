"""`ampstream profiles`: the library of charging profiles."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from ampstream.operator.api import segment
from ampstream.operator.listing import listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, moment, plural, when


@click.group()
def profiles() -> None:
    """List, show, write and delete charging profiles."""


@profiles.command("list")
@operator
async def list_profiles(session: Session) -> None:
    """List the library."""
    await listed(
        session,
        session.api.items("/profiles", {}, 0),
        ("name", "#version", "purpose", "kind", "#level", "~limits", "changed", "~note"),
        lambda one: (
            one["name"], one["version"], one["purpose"], kind(one), one["stack_level"], periods(one),
            when(one["updated_at"]), one["note"],
        ),
        "profile",
    )  # fmt: skip


@profiles.command()
@click.argument("name")
@operator
async def show(session: Session, name: str) -> None:
    """Show one profile."""
    item = await session.api.ask("GET", f"/profiles/{segment(name)}")
    if session.as_json:
        session.emit(item)
        return
    session.out.print(
        facts(
            [
                ("profile", item["name"]),
                ("version", item["version"]),
                ("purpose", item["purpose"]),
                ("kind", kind(item)),
                ("stack level", item["stack_level"]),
                ("starts", moment(item["start_at"])),
                ("duration", f"{item['duration_s']} s" if item["duration_s"] is not None else None),
                ("valid from", moment(item["valid_from"])),
                ("valid to", moment(item["valid_to"])),
                ("limits", periods(item)),
                ("changed", moment(item["updated_at"])),
                ("note", item["note"]),
            ]
        )
    )


@profiles.command()
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@operator
async def put(session: Session, name: str, file: Path) -> None:
    r"""Write a profile from a TOML file, whole; it becomes the next version.

    \b
        purpose = "default"          # or station_max, transaction
        kind = "recurring"           # or absolute, relative
        recurrence = "daily"
        unit = "A"
        start_at = 2026-01-01T23:00:00Z
        [[periods]]
        limit = 32
        [[periods]]
        start_s = 25200
        limit = 10
    """
    try:
        body = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file}: {error}") from None
    item = await session.api.ask("PUT", f"/profiles/{segment(name)}", json=_timed(body, str(file)))
    session.done(f"{item['name']}, version {item['version']}: {periods(item)}", item)


@profiles.command()
@click.argument("name")
@operator
async def delete(session: Session, name: str) -> None:
    """Delete a profile; stations keep what they have."""
    await session.api.ask("DELETE", f"/profiles/{segment(name)}")
    session.done(f"{name} is deleted")


def periods(item: dict[str, Any]) -> str:
    """Return a profile's limits in words: `16 A, from 7:00:00 10 A`."""
    words = [f"{_after(one['start_s'])}{one['limit']:g} {item['unit']}{_phases(one)}" for one in item["periods"]]
    return ", ".join(words)


def kind(item: dict[str, Any]) -> str:
    """Return a profile's kind in words."""
    return str(item["recurrence"] or item["kind"])


def _after(second: int) -> str:
    return f"after {second // 3600}:{second // 60 % 60:02}:{second % 60:02} " if second else ""


def _phases(period: dict[str, Any]) -> str:
    phases = period["phases"]
    return "" if phases is None else f" on {plural(phases, 'phase')}"


def _timed(value: Any, where: str) -> Any:
    """Return what TOML held as JSON holds it: times with a zone become text."""
    if isinstance(value, dict):
        return {name: _timed(one, f"{where}: {name}") for name, one in value.items()}
    if isinstance(value, list):
        return [_timed(one, where) for one in value]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise click.ClickException(f"{where}: write the time with its zone, such as 2026-01-01T23:00:00Z")
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        raise click.ClickException(f"{where}: write a date with its time and zone, such as 2026-01-01T23:00:00Z")
    return value
