"""`ampstream transactions`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, kwh, moment, plural, span, table, when


@click.group()
def transactions() -> None:
    """List, show and close transactions."""


@transactions.command("list")
@click.option("--station", "station_id", help="Only of this station.")
@click.option("--state", type=click.Choice(["open", "closed"]), help="Only these.")
@click.option("--tag", "id_tag", help="Only of this id tag.")
@click.option("--from", "since", metavar="TIME", help="Started at or after, ISO-8601 with a zone.")
@click.option("--to", "until", metavar="TIME", help="Started before.")
@limited(50)
@operator
async def list_transactions(
    session: Session, *, limit: int, since: str | None, until: str | None, **filters: Any
) -> None:
    """List transactions, the newest start first."""
    items = session.api.items("/transactions", {**filters, "from": since, "to": until}, limit)
    columns = ("#id", "station/connector", "id tag", "state", "started", "#duration", "#energy", "reason", "~flags")

    def energy(found: list[dict[str, Any]]) -> str:
        return str(kwh(sum(one["energy_wh"] for one in found)))

    await listed(session, items, columns, _row, "transaction", limit=limit, told=energy)


@transactions.command()
@click.argument("transaction_id", type=click.IntRange(min=1))
@operator
async def show(session: Session, transaction_id: int) -> None:
    """Show one transaction."""
    item = await session.api.ask("GET", f"/transactions/{transaction_id}")
    if session.as_json:
        session.emit(item)
        return
    session.out.print(facts(_facts(item)))
    for estimate in item["estimates"]:
        words = f"{kwh(estimate['energy_wh'])} until {moment(estimate['stopped_at'])}: {estimate['evidence']}"
        session.out.print(f"[dim]assumed {moment(estimate['made_at'])}:[/] {words}", markup=True)


@transactions.command()
@click.argument("transaction_id", type=click.IntRange(min=1))
@operator
async def close(session: Session, transaction_id: int) -> None:
    """End an open transaction whose stop nobody will report.

    It ends with its last known meter value, as an estimate: the station's own stop, should it come, replaces it. To ask
    the station itself: `ampstream send STATION RemoteStopTransaction transactionId=ID`.
    """
    item = await session.api.ask("POST", f"/transactions/{transaction_id}/close")
    session.done(f"transaction {transaction_id} is closed with {kwh(item['energy_wh'])}", item)


@transactions.command()
@click.argument("transaction_id", type=click.IntRange(min=1))
@click.option("--energy-kwh", type=click.FloatRange(min=0, min_open=True), help="To get in all, from its start.")
@click.option("--departure", metavar="TIME", help="By when, ISO-8601 with a zone.")
@click.option("--priority", type=click.IntRange(-1000, 1000), help="At its site, in place of its station's.")
@operator
async def plan(
    session: Session, transaction_id: int, *, energy_kwh: float | None, departure: str | None, priority: int | None
) -> None:
    """Say what an open transaction is to get by when; its site's strategy goes by it. Without options: forget it."""
    body = {"energy_kwh": energy_kwh, "departs_at": departure, "priority": priority}
    item = await session.api.ask(
        "PUT", f"/transactions/{transaction_id}/plan", json={name: one for name, one in body.items() if one is not None}
    )
    session.done(f"transaction {transaction_id}: {_plan(item) or 'no plan'}", item)


@transactions.command("meter-values")
@click.argument("transaction_id", type=click.IntRange(min=1))
@click.option("--csv", "as_csv", is_flag=True, help="CSV, one line a sample.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the CSV to this file.")
@limited(50, "Readings in the table at most; 0: all.")
@operator
async def meter_values(session: Session, transaction_id: int, *, as_csv: bool, output: Path | None, limit: int) -> None:
    """Show what a transaction's meter reported."""
    path = f"/transactions/{transaction_id}/meter-values"
    if as_csv or output is not None:
        await _download(session, path, output)
        return
    items = session.api.items(path, {}, limit)
    if session.as_json:
        async for item in items:
            session.emit(item)
        return
    rows = [
        (when(reading["timestamp"]), sample["measurand"], sample["value"], sample["unit"], sample["phase"],
         sample["context"], [*reading["flags"], *sample["flags"]])
        async for reading in items
        for sample in reading["samples"]
    ]  # fmt: skip
    session.out.print(table(("time", "measurand", "#value", "unit", "phase", "context", "~flags"), rows))
    session.out.print(f"[dim]{plural(len(rows), 'sample')}[/]")


async def _download(session: Session, path: str, output: Path | None) -> None:
    chunks = session.api.download(path, {"format": "csv"})
    if output is None:
        async for chunk in chunks:
            click.echo(chunk, nl=False)
        return
    size = 0
    with output.open("wb") as file:
        async for chunk in chunks:
            size += file.write(chunk)
    session.done(f"{size} bytes in {output}", {"file": str(output), "bytes": size})


def _row(item: dict[str, Any]) -> tuple[Any, ...]:
    return (
        item["id"],
        f"{item['station_id']}/{item['connector_id']}",
        item["id_tag"],
        item["state"],
        when(item["started_at"]),
        span(item["started_at"], item["stopped_at"]),
        kwh(item["energy_wh"]),
        item["stop_reason"],
        item["flags"],
    )


def _facts(item: dict[str, Any]) -> list[tuple[str, Any]]:
    power, charge = item["last_power_w"], item["last_soc_percent"]
    return [
        ("transaction", item["id"]),
        ("state", item["state"]),
        ("station", f"{item['station_id']}, connector {item['connector_id']}"),
        ("id tag", item["id_tag"]),
        ("group", item["group"]),
        ("answered", item["authorization"]),
        ("started", moment(item["started_at"])),
        ("stopped", moment(item["stopped_at"])),
        ("stopped by", item["stop_id_tag"]),
        ("reason", item["stop_reason"]),
        ("duration", span(item["started_at"], item["stopped_at"])),
        ("energy", kwh(item["energy_wh"])),
        ("meter", f"{item['meter_start_wh']} to {item['meter_stop_wh'] or item['last_meter_wh'] or '?'} Wh"),
        ("power", f"{power / 1000:.1f} kW" if power is not None and item["state"] == "open" else None),
        ("state of charge", f"{charge:g} %" if charge is not None else None),
        ("planned", _plan(item)),
        ("samples", item["sample_count"]),
        ("flags", item["flags"]),
        ("meter data", _meter_data(item)),
        ("end assumed", "yes, until the station's own stop comes" if item["estimated"] else None),
    ]


def _meter_data(item: dict[str, Any]) -> str | None:
    """Say whether the policy on meter data was met."""
    verdict = {"met": "as wanted", "none": "none came", "partly": "a part is missing", "unmet": "not what is wanted"}
    if item["data_policy"] is None:
        return None
    missing = f": {', '.join(item['data_missing'])}" if item["data_missing"] else ""
    return verdict[item["data_policy"]] + missing


def _plan(item: dict[str, Any]) -> str | None:
    """Say what it is to get."""
    plan = item["plan"]
    if plan is None:
        return None
    words = [
        f"{plan['energy_kwh']:g} kWh" if plan["energy_kwh"] is not None else "",
        f"by {moment(plan['departs_at'])}" if plan["departs_at"] is not None else "",
        f"priority {plan['priority']}" if plan["priority"] is not None else "",
    ]
    return ", ".join(word for word in words if word)
