"""`ampstream limits`: what a station may draw: its charging profiles, and the schedule that comes of them."""

from __future__ import annotations

from typing import Any

import click

from ampstream.operator.api import segment
from ampstream.operator.charts import station_chart
from ampstream.operator.listing import listed
from ampstream.operator.profiles import kind, periods
from ampstream.operator.session import Session, operator
from ampstream.operator.show import cell, moment, plural, table, when


@click.group()
def limits() -> None:
    """Say what stations may draw, and see what they do."""


limits.add_command(station_chart)


@limits.command("set")
@click.argument("station_id")
@click.option("--profile", "name", metavar="NAME", help="A profile of the library.")
@click.option("--amps", type=click.FloatRange(min=0), help="In place of a profile: so much per phase, from now on.")
@click.option("--watts", type=click.FloatRange(min=0), help="In place of a profile: so much in all, from now on.")
@click.option("--connector", "connector_id", type=click.IntRange(min=0), default=0, show_default=True, help="0: all.")
@click.option(
    "--purpose", type=click.Choice(["default", "station_max", "transaction"]), default="default", show_default=True,
    help="With --amps or --watts: what it limits.",
)  # fmt: skip
@click.option("--level", "stack_level", type=click.IntRange(min=0), help="Place in the stack; greater ones prevail.")
@click.option("--duration-s", type=click.IntRange(min=1), help="With --amps or --watts: over after so long.")
@click.option("--convert-to", type=click.Choice(["A", "W"]), help="Send it in this unit, by --voltage and --phases.")
@click.option("--voltage", type=click.IntRange(50, 1000), help="Between phase and neutral.")
@click.option("--phases", type=click.IntRange(1, 3), default=3, show_default=True)
@operator
async def set_limit(
    session: Session, station_id: str, *, name: str | None, amps: float | None, watts: float | None,
    connector_id: int, purpose: str, stack_level: int | None, duration_s: int | None, convert_to: str | None,
    voltage: int | None, phases: int,
) -> None:  # fmt: skip
    """Set a charging profile: `ampstream limits set CP1 --amps 16`.

    The station gets it at once, or when it is back. Whether it took it, and whether it computes the same limits from
    it, `ampstream limits show` tells.
    """
    if sum(one is not None for one in (name, amps, watts)) != 1:
        raise click.UsageError("give one of --profile, --amps and --watts")
    body: dict[str, Any] = {"connector_id": connector_id}
    if stack_level is not None:
        body["stack_level"] = stack_level
    if convert_to is not None:
        if voltage is None:
            raise click.UsageError("--convert-to needs --voltage")
        body["convert"] = {"unit": convert_to, "voltage": voltage, "phases": phases}
    if name is not None:
        body["name"] = name
    else:
        unit, limit = ("A", amps) if amps is not None else ("W", watts)
        body["profile"] = {"purpose": purpose, "unit": unit, "periods": [{"limit": limit}]}
        if duration_s is not None:
            body["profile"]["duration_s"] = duration_s
    item = await session.api.ask("POST", f"/stations/{segment(station_id)}/charging-profiles", json=body)
    session.done(f"{cell(station_id)}, profile {item['id']}: {periods(item)} ({item['state']})", item)


@limits.command()
@click.argument("station_id")
@operator
async def show(session: Session, station_id: str) -> None:
    """Show a station's charging profiles, and how far each got."""
    await listed(
        session,
        (await session.api.ask("GET", f"/stations/{segment(station_id)}/charging-profiles"))["items"],
        ("#id", "name", "purpose", "#connector", "#level", "kind", "~limits", "state", "since", "~remark"),
        lambda one: (
            one["id"], one["name"], one["purpose"], one["connector_id"], one["stack_level"], kind(one), periods(one),
            "clearing" if one["clearing"] else one["state"], when(one["since"]), _remark(one),
        ),
        "profile",
    )  # fmt: skip


@limits.command()
@click.argument("station_id")
@click.argument("profile_id", type=click.IntRange(min=1))
@operator
async def clear(session: Session, station_id: str, profile_id: int) -> None:
    """Take a charging profile off a station, by the id that `show` tells."""
    await session.api.ask("DELETE", f"/stations/{segment(station_id)}/charging-profiles/{profile_id}")
    session.done(f"{cell(station_id)}: profile {profile_id} is being cleared")


@limits.command()
@click.argument("station_id")
@click.option("--connector", "connector_id", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--hours", type=click.FloatRange(min=0.01, max=14 * 24), default=24, show_default=True)
@click.option("--unit", type=click.Choice(["A", "W"]), default="A", show_default=True)
@click.option("--voltage", type=click.IntRange(50, 1000), help="To combine profiles in A and in W.")
@click.option("--phases", type=click.IntRange(1, 3), default=3, show_default=True)
@click.option("--time-zone", metavar="NAME", help="Recurring schedules keep to its clocks; else to 24 hours.")
@operator
async def schedule(
    session: Session, station_id: str, *, connector_id: int, hours: float, unit: str, voltage: int | None, phases: int,
    time_zone: str | None,
) -> None:  # fmt: skip
    """Show what a station's profiles allow from now on, as Ampstream computes it."""
    query = f"connector_id={connector_id}&duration_s={max(int(hours * 3600), 1)}&unit={unit}"
    query += f"&voltage={voltage}&phases={phases}" if voltage is not None else ""
    query += f"&time_zone={segment(time_zone)}" if time_zone else ""
    item = await session.api.ask("GET", f"/stations/{segment(station_id)}/composite-schedule?{query}")
    if session.as_json:
        session.emit(item)
        return
    rows = [
        (moment(one["since"]), moment(one["until"]),
         "no limit" if one["limit"] is None else f"{one['limit']:g} {item['unit']}", one["phases"], one["profile_id"])
        for one in item["segments"]
    ]  # fmt: skip
    session.out.print(table(("from", "until", "#limit", "#phases", "#by profile"), rows))


def _remark(item: dict[str, Any]) -> str:
    over, by = item["over_limit_since"], item["converted"]
    words = (
        item["detail"],
        f"draws more since {when(over)}" if over else "",
        f"converted at {by['voltage']} V, {plural(by['phases'], 'phase')}" if by else "",
    )
    return ", ".join(word for word in words if word)
