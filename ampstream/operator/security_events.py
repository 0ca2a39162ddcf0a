"""`ampstream security-events`."""

from __future__ import annotations

import click

from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import when


@click.command("security-events")
@click.option("--station", "station_id", help="Only of this station.")
@click.option("--severity", type=click.Choice(["critical", "informational"]), help="Only these.")
@click.option("--type", "type_", help="Only this type, e.g. TamperDetectionActivated.")
@click.option("--source", type=click.Choice(["station", "ampstream"]), help="Who noticed it.")
@click.option("--from", "from_", metavar="TIME", help="From this time on: ISO-8601 with a zone.")
@click.option("--to", metavar="TIME", help="Up to this time.")
@limited(50)
@operator
async def security_events(
    session: Session, *, limit: int, type_: str | None, from_: str | None, **filters: str | None
) -> None:
    """List what stations and Ampstream noticed of attacks.

    The newest first. What the standard calls critical includes every reboot; the alert of that name leaves those out.
    """
    await listed(
        session,
        session.api.items("/security-events", {**filters, "type": type_, "from": from_}, limit),
        ("when", "severity", "type", "station", "from", "#times", "~info"),
        lambda one: (
            when(one["at"]), one["severity"], one["type"], one["station_id"], one["address"], one["count"], one["info"],
        ),
        "event", limit=limit,
    )  # fmt: skip
