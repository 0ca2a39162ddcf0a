"""`ampstream reservations`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, get_args

import aiohttp
import click

from ampstream.operator.api import segment
from ampstream.operator.commands import EARLY_S, MAX_WAIT_S
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, moment, when
from shared.records.reservations import ReservationState

STATES: Final = click.Choice(list(get_args(ReservationState)))
WAIT: Final = click.option(
    "--wait-s", type=click.IntRange(0, MAX_WAIT_S), default=0, help="Wait so long for the station's answer."
)


@click.group()
def reservations() -> None:
    """Make, list, show and cancel reservations."""


@reservations.command("list")
@click.option("--station", "station_id", help="Only of this station.")
@click.option("--state", type=STATES, help="Only these.")
@limited(50)
@operator
async def list_reservations(session: Session, *, limit: int, **filters: str | None) -> None:
    """List reservations, the newest first."""
    await listed(
        session,
        session.api.items("/reservations", filters, limit),
        ("id", "station", "#connector", "id tag", "state", "until", "#transaction", "~what is odd"),
        lambda one: (
            one["id"], one["station_id"], one["connector_id"], one["id_tag"], one["state"], when(one["expires_at"]),
            one["transaction_id"], _words(one),
        ),
        "reservation", limit=limit,
    )  # fmt: skip


@reservations.command()
@click.argument("station_id")
@click.argument("connector_id", type=click.IntRange(0, 128))
@click.argument("id_tag")
@click.option("--group", "parent_id_tag", metavar="TAG", help="Parent id tag: tags of this group may use it too.")
@click.option("--minutes", type=click.IntRange(1, 30 * 24 * 60), help="How long it holds; 30 where no end is given.")
@click.option("--until", "expires_at", metavar="TIME", help="When it ends, e.g. 2026-03-01T08:30:00Z.")
@click.option("--idempotency-key", metavar="KEY", help="Repeated with the same key, it is carried out once.")
@WAIT
@operator
async def make(
    session: Session, station_id: str, connector_id: int, id_tag: str, *, parent_id_tag: str | None,
    minutes: int | None, expires_at: str | None, idempotency_key: str | None, wait_s: int,
) -> None:  # fmt: skip
    """Have a station keep a connector free for ID_TAG; connector 0 is any.

    Exit status 1 where the station has answered and did not accept.
    """
    if minutes and expires_at:
        raise click.UsageError("give --minutes or --until, not both")
    body: dict[str, Any] = {"connector_id": connector_id, "id_tag": id_tag}
    body |= {"expires_at": _instant(expires_at)} if expires_at else {"expires_in_s": (minutes or 30) * 60}
    if parent_id_tag:
        body["parent_id_tag"] = parent_id_tag
    item = await session.api.ask(
        "POST",
        f"/stations/{segment(station_id)}/reservations" + _wait(wait_s),
        json=body,
        headers={"Idempotency-Key": idempotency_key} if idempotency_key else {},
        timeout=aiohttp.ClientTimeout(total=wait_s + EARLY_S),
    )
    _shown(session, item)
    if item["state"] not in ("pending", "active", "used"):
        raise click.exceptions.Exit(1)


@reservations.command()
@click.argument("reservation_id")
@operator
async def show(session: Session, reservation_id: str) -> None:
    """Show one reservation."""
    _shown(session, await session.api.ask("GET", f"/reservations/{segment(reservation_id)}"))


@reservations.command()
@click.argument("reservation_id")
@WAIT
@operator
async def cancel(session: Session, reservation_id: str, *, wait_s: int) -> None:
    """Cancel a reservation: the station is asked to, unless it was never told of it."""
    item = await session.api.ask(
        "DELETE",
        f"/reservations/{segment(reservation_id)}" + _wait(wait_s),
        timeout=aiohttp.ClientTimeout(total=wait_s + EARLY_S),
    )
    asked = "is cancelled" if item["state"] == "cancelled" else "is being cancelled: the station was asked"
    session.done(f"the reservation of {item['station_id']}/{item['connector_id']} {asked}", item)


def _wait(wait_s: int) -> str:
    return f"?wait={wait_s}s" if wait_s else ""


def _instant(text: str) -> str:
    """Return a time with a zone as it was given; one without is the reader's own."""
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except ValueError:
        raise click.UsageError(f"--until is no time: {text}") from None


def _words(item: dict[str, Any]) -> str:
    doubt = f"its connector is {item['doubt']}" if item["doubt"] else ""
    return item["reason"] or doubt


def _shown(session: Session, item: dict[str, Any]) -> None:
    if session.as_json:
        session.emit(item)
        return
    times = [(name.removesuffix("_at"), moment(item[name])) for name in item if name.endswith("_at")]
    pairs = [(name, value) for name, value in item.items() if not name.endswith("_at") and name != "doubt"]
    doubt = [("doubt", f"its connector is {item['doubt']}")] if item["doubt"] else []
    session.out.print(facts([*pairs, *doubt, *times]))
