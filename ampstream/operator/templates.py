"""`ampstream templates`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import click

from ampstream.operator.api import segment
from ampstream.operator.jobs import many, one_or_many, send_many
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, moment, table, when

STATES: Final = ("in_line", "differs", "pending", "refused", "reverting")
_COUNTS: Final = tuple(f"#{state.replace('_', ' ')}" for state in STATES)


@click.group()
def templates() -> None:
    """Say how stations are to be configured, and see which are."""


@templates.command("list")
@operator
async def list_templates(session: Session) -> None:
    """List templates, the strongest first, and how many stations stand how."""
    await listed(
        session,
        (await session.api.ask("GET", "/templates"))["items"],
        ("name", "#priority", "~for", "#keys", "#meter data", *_COUNTS),
        lambda one: (
            one["name"], one["priority"], matched(one), len(one["keys"]), len(_meter(one)),
            *(one["stations"][state] for state in STATES),
        ),
        "template",
    )  # fmt: skip


@templates.command()
@click.argument("name")
@operator
async def show(session: Session, name: str) -> None:
    """Show one template."""
    item = await session.api.ask("GET", f"/templates/{segment(name)}")
    if session.as_json:
        session.emit(item)
        return
    session.out.print(
        facts(
            (
                ("name", item["name"]),
                ("for", matched(item)),
                ("priority", item["priority"]),
                ("reboots", item["reboot"].replace("_", " ")),
                ("version", f"{item['version']}, of {moment(item['updated_at'])}"),
                ("stations", {state: n for state, n in item["stations"].items() if n}),
                ("note", item["note"]),
            )
        )
    )
    wanted = [*item["keys"].items(), *((f"meter data: {name}", value) for name, value in _meter(item).items())]
    session.out.print(table(("key", "~value"), wanted))


@templates.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@operator
async def put(session: Session, file: Path) -> None:
    """Create or replace the template in a TOML file.

    Its top level has `name` (else the file's), `priority`, `match`, `reboot`, `note`; `[keys]` has configuration keys
    and their values, `[meter_data]` the policy on meter data.

    Stations are brought in line after their next boot, at the next reading of their configuration, or by `ampstream
    config apply`.
    """
    name, body = read_template(file)
    item = await session.api.ask("PUT", f"/templates/{segment(name)}", json=body)
    session.done(f"template {item['name']} is at version {item['version']}", item)


@templates.command()
@click.argument("name")
@click.confirmation_option("--yes", prompt="Forget this template?")
@operator
async def delete(session: Session, name: str) -> None:
    """Forget a template; stations keep what it set."""
    await session.api.ask("DELETE", f"/templates/{segment(name)}")
    session.done("template deleted")


@templates.command()
@click.argument("name")
@click.option("--state", type=click.Choice(STATES), help="Only these.")
@limited(100)
@operator
async def status(session: Session, name: str, limit: int, state: str | None) -> None:
    """List the stations of a template, and what is not in line."""
    await listed(
        session,
        session.api.items(f"/templates/{segment(name)}/stations", {"state": state}, limit),
        ("station", "state", "since", "~keys"),
        lambda one: (
            one["station_id"], one["state"].replace("_", " "), when(one["since"]),
            "changed since its last look" if one["outdated"] else _words(one["keys"]),
        ),
        "station", limit=limit,
    )  # fmt: skip


@click.command()
@click.argument("station_id", required=False)
@click.option("--retry", is_flag=True, help="Also what the station refused, or kept going back on.")
@click.option("--wait", is_flag=True, help="Wait for the outcome; exit status 1 unless it is in line, or all are.")
@many
@operator
async def apply(session: Session, station_id: str | None, *, retry: bool, wait: bool, **options: Any) -> None:
    """Bring stations in line with their templates now, or when they are back.

    In place of STATION_ID --stations, --group, --filter or --all say which: a job does it, a few at a time.
    `ampstream jobs` shows, pauses and cancels it; with --wait, also for one station, this command shows how far it is
    until its end.
    """
    stations = one_or_many(station_id, options)
    if wait and stations is None:
        stations = {"stations": [station_id]}
    if stations is not None:
        body = {"kind": "apply_templates", "payload": {"retry": retry}, **stations}
        await send_many(session, body, options, wait=wait)
        return
    assert station_id is not None, "one_or_many says so"
    item = await session.api.ask("POST", f"/stations/{segment(station_id)}/configuration/apply", json={"retry": retry})
    session.done(item["detail"], item)


@click.command()
@click.argument("station_id")
@operator
async def wanted(session: Session, station_id: str) -> None:
    """Show what templates want of a station, and what it holds."""
    item = await session.api.ask("GET", f"/stations/{segment(station_id)}/tuning")
    if session.as_json:
        session.emit(item)
        return
    if item["state"] is None:
        session.out.print("[dim]no template matches[/]")
        return
    session.out.print(facts(_station_facts(item)))
    rows = [
        (one["key"], one["wanted"], one["held"], one["state"].replace("_", " "), when(one["since"]), one["template"],
         _detail(one))
        for one in item["keys"]
    ]  # fmt: skip
    session.out.print(table(("key", "~wanted", "~held", "state", "since", "template", "~remarks"), rows))
    for one in item["conflicts"]:
        session.out.print(f"[dim]{one['winner']} overrides {one['loser']}: {one['key']} = {one['value']}[/]")


def read_template(file: Path) -> tuple[str, dict[str, Any]]:
    """Return the name and the body that a TOML file holds; raises `click.ClickException` that says what is wrong."""
    try:
        body = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file} is no TOML: {error}") from None
    name = body.pop("name", file.stem)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise click.ClickException(f"{file}: `name` must be 1 to 64 letters, digits, `.`, `_` or `-`")
    keys = body.get("keys")
    if isinstance(keys, dict):
        body["keys"] = {key: _text(file, key, value) for key, value in keys.items()}
    return name, body


def _text(file: Path, key: str, value: Any) -> str:
    """Return a value as stations take it: `true`, not True."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise click.ClickException(f"{file}: `keys.{key}` must be a text, a number, true or false")


def matched(item: dict[str, Any]) -> str:
    """Return in words which stations a template or policy is for."""
    return ", ".join(f"{name} {value}" for name, value in item["match"].items() if value) or "all stations"


def _meter(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item["meter_data"].items() if value is not None}


def _words(keys: list[dict[str, Any]]) -> str:
    return ", ".join(f"{one['key']} ({one['state'].replace('_', ' ')})" for one in keys)


def _station_facts(item: dict[str, Any]) -> list[tuple[str, Any]]:
    reboot, run = item["reboot"], item["under_way"]
    reboots = reboot and (reboot["refused"] or "waits until nobody charges")
    return [
        ("station", item["station_id"]),
        ("state", item["state"].replace("_", " ")),
        ("since", moment(item["since"])),
        ("looked at", moment(item["read_at"])),
        ("templates", [one["name"] for one in item["templates"]]),
        ("under way", run and (run["key"] or "reading back")),
        ("reboot", reboots),
    ]


def _detail(one: dict[str, Any]) -> str:
    parts = [
        one["answer"] or "",
        "takes effect after a reboot" if one["needs_reboot"] else "",
        f"refused: {', '.join(one['refused'])}" if one["refused"] else "",
        f"no room: {', '.join(one['no_room'])}" if one["no_room"] else "",
        f"not sent: {', '.join(one['undelivered'])}" if one["undelivered"] else "",
        f"went back {one['reverts']} times" if one["reverts"] else "",
    ]
    return "; ".join(part for part in parts if part)
