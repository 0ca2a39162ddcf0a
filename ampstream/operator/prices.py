"""`ampstream prices`: what energy costs by interval, for charging that may wait until it is cheap."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from ampstream.operator.api import segment
from ampstream.operator.session import Session, operator
from ampstream.operator.show import moment, plural, table

COLUMNS: Final = ("start", "end", "price")


@click.group()
def prices() -> None:
    """Show and write what energy costs by interval."""


@prices.command("list")
@operator
async def list_areas(session: Session) -> None:
    """List the areas that have prices; a site names its own, as price_area."""
    page = await session.api.ask("GET", "/prices")
    for area in page["items"]:
        session.emit(area) if session.as_json else click.echo(area)


@prices.command()
@click.argument("area", default="default")
@click.option("--since", help="ISO-8601: only what holds after it.")
@click.option("--until", help="ISO-8601: only what holds before it.")
@operator
async def show(session: Session, area: str, *, since: str | None, until: str | None) -> None:
    """Show an area's prices per kWh."""
    params = {name: value for name, value in (("since", since), ("until", until)) if value is not None}
    item = await session.api.ask("GET", f"/prices/{segment(area)}", params=params)
    if session.as_json:
        session.emit(item)
        return
    rows = [(moment(one["start"]), moment(one["end"]), f"{one['price']:g}") for one in item["intervals"]]
    session.out.print(table(("from", "until", f"#{item['currency'] or 'price'}/kWh"), rows))
    session.out.print(f"[dim]{plural(len(rows), 'interval')}[/]")


@prices.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--area", default="default", show_default=True)
@click.option("--currency", help="Such as EUR; in place of the file's.")
@operator
async def put(session: Session, file: Path, *, area: str, currency: str | None) -> None:
    """Write prices from a file: CSV with the columns start, end, price, or JSON as the API takes it.

    Times are ISO-8601 with a zone, prices per kWh. They take the place of what was known for their times.
    """
    body = _read(file)
    if currency is not None:
        body["currency"] = currency
    item = await session.api.ask("PUT", f"/prices/{segment(area)}", json=body)
    session.done(f"{plural(len(body['intervals']), 'price')} written, {len(item['intervals'])} known", item)


@prices.command()
@click.argument("area")
@operator
async def delete(session: Session, area: str) -> None:
    """Forget an area's prices."""
    await session.api.ask("DELETE", f"/prices/{segment(area)}")
    session.done("forgotten")


def _read(file: Path) -> dict[str, Any]:
    """Read a file of prices; raises `click.ClickException` that says where it is wrong."""
    text = file.read_text(encoding="utf-8-sig")
    if text.lstrip().startswith("{"):
        try:
            return msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise click.ClickException(f"{file}: {error}") from None
    rows = csv.DictReader(io.StringIO(text))
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise click.ClickException(f"{file}: no column {', '.join(missing)} in its first line")
    found = []
    for row in rows:
        try:
            found.append({"start": row["start"].strip(), "end": row["end"].strip(), "price": float(row["price"])})
        except (ValueError, AttributeError, TypeError):
            raise click.ClickException(f"{file}, line {rows.line_num}: not start, end and price") from None
    return {"intervals": found}
