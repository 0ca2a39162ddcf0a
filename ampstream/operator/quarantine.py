"""`ampstream quarantine`."""

from __future__ import annotations

from typing import Any

import click

from ampstream.operator.api import segment
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, moment, when


@click.group()
def quarantine() -> None:
    """Look after frames nobody understood."""


@quarantine.command("list")
@click.option("--station", "station_id", help="Only of this station.")
@click.option("--reason", help="Only for this reason.")
@click.option("--action", help="Only of this action.")
@limited(50)
@operator
async def list_frames(session: Session, *, limit: int, **filters: str | None) -> None:
    """List frames, the newest first."""
    await listed(
        session,
        session.api.items("/quarantine", filters, limit),
        ("id", "received", "station", "action", "reason", "~detail", "#bytes", "#replays"),
        lambda one: (
            one["id"], when(one["received_at"]), one["station_id"], one["action"], one["reason"], one["detail"],
            one["size_bytes"], one["replays"] or None,
        ),
        "frame", limit=limit,
    )  # fmt: skip


@quarantine.command()
@click.argument("quarantine_id")
@operator
async def show(session: Session, quarantine_id: str) -> None:
    """Show one frame, as the station sent it."""
    item = await session.api.ask("GET", f"/quarantine/{segment(quarantine_id)}")
    if session.as_json:
        session.emit(item)
        return
    session.out.print(facts(_facts(item)))
    session.out.print()
    session.out.print("".join(one if one.isprintable() or one == "\n" else "�" for one in item["frame"]), markup=False)


@quarantine.command()
@click.argument("quarantine_id")
@operator
async def replay(session: Session, quarantine_id: str) -> None:
    """Run a frame through the pipeline again, without an answer to the station."""
    item = await session.api.ask("POST", f"/quarantine/{segment(quarantine_id)}/replay")
    session.done(f"{quarantine_id} was understood, and has left quarantine", item)


@quarantine.command()
@click.argument("quarantine_id")
@click.confirmation_option("--yes", prompt="Forget this frame for good?")
@operator
async def drop(session: Session, quarantine_id: str) -> None:
    """Forget a frame for good."""
    await session.api.ask("DELETE", f"/quarantine/{segment(quarantine_id)}")
    session.done(f"{quarantine_id} dropped")


def _facts(item: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("id", item["id"]),
        ("station", item["station_id"]),
        ("received", moment(item["received_at"])),
        ("action", item["action"]),
        ("reason", item["reason"]),
        ("detail", item["detail"]),
        ("size", f"{item['size_bytes']} bytes"),
        ("answered with transaction", item["transaction_id"]),
        ("replays that failed", item["replays"] or None),
    ]
