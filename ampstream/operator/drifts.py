"""`ampstream drifts`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from ampstream.operator.api import segment
from ampstream.operator.config import changes_table, summary
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, moment, table, when

STATES = click.Choice(["open", "acknowledged"])


@click.group()
def drifts() -> None:
    """List and acknowledge changes of configurations."""


@drifts.command("list")
@click.option("--station", "station_id", help="Only of this station.")
@click.option("--state", type=STATES, help="Only these.")
@limited(50)
@operator
async def list_drifts(session: Session, *, limit: int, **filters: str | None) -> None:
    """List drifts, the newest first."""
    await listed(
        session,
        session.api.items("/drifts", filters, limit),
        ("id", "found", "station", "state", "#changes", "~what"),
        lambda one: (
            one["id"], when(one["found_at"]), one["station_id"], one["state"], len(one["changes"]),
            summary(one["changes"]),
        ),
        "drift", limit=limit,
    )  # fmt: skip


@drifts.command()
@click.argument("drift_id")
@operator
async def show(session: Session, drift_id: str) -> None:
    """Show one drift with its changes."""
    item = await session.api.ask("GET", f"/drifts/{segment(drift_id)}")
    if session.as_json:
        session.emit(item)
        return
    session.out.print(
        facts(
            [
                ("station", item["station_id"]),
                ("found", moment(item["found_at"])),
                ("version", item["version"]),
                ("firmware", item["firmware"]),
                ("was", item["previous_firmware"] if item["previous_firmware"] != item["firmware"] else ""),
                ("state", item["state"]),
                ("acknowledged", moment(item["acknowledged_at"])),
                ("by", item["acknowledged_by"]),
                ("note", item["note"]),
            ]
        )
    )
    session.out.print(changes_table(item["changes"]))


@drifts.command()
@click.argument("drift_ids", nargs=-1, required=True, metavar="DRIFT_ID...")
@click.option("--note", default="", help="What was found out.")
@operator
async def ack(session: Session, drift_ids: tuple[str, ...], note: str) -> None:
    """Acknowledge drifts: they were seen."""
    for drift_id in drift_ids:
        item = await session.api.ask("POST", f"/drifts/{segment(drift_id)}/acknowledge", json={"note": note})
        session.done(f"{item['station_id']}: acknowledged", item)


@drifts.command()
@click.option(
    "--set", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Replace them by a TOML file."
)
@operator
async def rules(session: Session, file: Path | None) -> None:
    """Show the rules that tell which changes are drifts, or replace them.

    The file has `secrets`, a list of patterns, and [[rules]] tables with `names`, `kinds`, `significant` and `note`;
    the first rule that fits a change decides.
    """
    if file is None:
        item = await session.api.ask("GET", "/drift-rules")
    else:
        item = await session.api.ask("PUT", "/drift-rules", json=_read(file))
    if session.as_json:
        session.emit(item)
        return
    rows = [(one["names"], one["kinds"] or "any", "drift" if one["significant"] else "no drift", one["note"])
            for one in item["rules"]]  # fmt: skip
    session.out.print(table(("names", "~change", "is", "~note"), rows))
    session.out.print(
        facts([("secrets", item["secrets"]), ("changed", moment(item["updated_at"])), ("by", item["by"])])
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file}: {error}") from None
