"""`ampstream tags`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ampstream.operator.api import segment
from ampstream.operator.importing import import_file
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, moment

STATUSES = click.Choice(["accepted", "blocked", "expired", "invalid"])


@click.group()
def tags() -> None:
    """List, show, change and import id tags."""


@tags.command("list")
@click.option("--status", type=STATUSES, help="Only these.")
@click.option("--parent", help="Only of this group.")
@limited(100)
@click.argument("prefix", default="")
@operator
async def list_tags(session: Session, prefix: str, limit: int, **filters: str | None) -> None:
    """List id tags, or those that begin with PREFIX."""
    await listed(
        session,
        session.api.items("/tags", {"q": prefix, **filters}, limit),
        ("id tag", "status", "parent", "expires", "#holds", "#limit", "~note"),
        lambda one: (
            one["id_tag"], one["status"], one["parent"], moment(one["expires_at"]), one["holds"],
            one["concurrent_limit"], one["note"],
        ),
        "tag", limit=limit,
    )  # fmt: skip


@tags.command()
@click.argument("id_tag")
@operator
async def show(session: Session, id_tag: str) -> None:
    """Show one id tag."""
    item = await session.api.ask("GET", f"/tags/{segment(id_tag)}")
    if session.as_json:
        session.emit(item)
        return
    session.out.print(
        facts(
            (
                ("id tag", item["id_tag"]),
                ("status", item["status"]),
                ("parent", item["parent"]),
                ("expires", moment(item["expires_at"])),
                ("transactions now", item["holds"]),
                ("at a time at most", item["concurrent_limit"]),
                ("sites", item["sites"]),
                ("hours", item["hours"]),
                ("time zone of the hours", item["time_zone"] or (item["hours"] and "the station's")),
                ("note", item["note"]),
                ("changed", moment(item["updated_at"])),
            )
        )
    )


@tags.command("set")
@click.argument("id_tag")
@click.option("--status", type=STATUSES, help="For a new tag: accepted.")
@click.option("--expires", "expires_at", metavar="TIME", help="ISO-8601 with a zone, or `never`.")
@click.option("--parent", help="Its group; empty: none.")
@click.option("--limit", "concurrent_limit", type=click.IntRange(0, 1000), help="Transactions at a time; 0: no limit.")
@click.option("--sites", metavar="A,B", help="Sites, or groups of stations, where it may charge; empty: all.")
@click.option("--hours", help="When it may begin: `mon-fri 08:00-18:00; sat 09:00-12:00`; empty: always.")
@click.option("--time-zone", help="Of the hours, e.g. Europe/Berlin; empty: the station's own.")
@click.option("--note", help="For people.")
@operator
async def set_tag(session: Session, id_tag: str, **options: Any) -> None:
    """Create an id tag, or change it; what is not given stays."""
    body = {name: value for name, value in options.items() if value is not None}
    if "sites" in body:
        body["sites"] = [name.strip() for name in body["sites"].split(",") if name.strip()]
    if body.get("expires_at") == "never":
        body["expires_at"] = None
    status = 0
    try:
        item = await session.api.ask("POST", "/tags", json={"id_tag": id_tag, **body})
    except click.ClickException as error:
        status = getattr(error, "status", 0)
        if status != 409:
            raise
        item = await session.api.ask("PATCH", f"/tags/{segment(id_tag)}", json=body)
    session.done("id tag changed" if status else "id tag created", item)


@tags.command()
@click.argument("id_tag")
@click.confirmation_option("--yes", prompt="Forget this id tag?")
@operator
async def delete(session: Session, id_tag: str) -> None:
    """Forget an id tag."""
    await session.api.ask("DELETE", f"/tags/{segment(id_tag)}")
    session.done("id tag deleted")


@tags.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check only, write nothing.")
@operator
async def import_tags(session: Session, file: Path, *, dry_run: bool) -> None:
    """Create or replace id tags from a CSV file.

    The first line names the columns: id_tag, and any of status, expires_at, parent, concurrent_limit, note, sites (with
    semicolons between), hours, time_zone. A bad row is named and passed over; the exit status is then 1.
    """
    await import_file(session, file, dry_run=dry_run)
