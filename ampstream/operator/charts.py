"""`ampstream site chart`, `ampstream limits chart`: pictures of limit, allocation and draw over time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from ampstream.operator.api import segment
from ampstream.operator.session import Session, operator

C = TypeVar("C", bound=Callable[..., Any])
FORMATS: Final = (".svg", ".png")
MOST_HOURS: Final = 14 * 24


def options(command: C) -> C:
    """Give a command the options that all charts have."""
    for add in reversed(
        (
            click.option("-o", "--out", required=True, metavar="FILE.svg|FILE.png",
                         type=click.Path(dir_okay=False, path_type=Path), help="Its ending says as what."),
            click.option("--hours", type=click.FloatRange(min=1 / 60, max=MOST_HOURS), default=24.0, show_default=True,
                         help="How long a time it shows."),
            click.option("--to", "until", metavar="TIME",
                         help="Its end, ISO-8601; without a zone it is of this machine's. Else now."),
            click.option("--unit", type=click.Choice(["A", "kW"]), help="Else what the limits are in."),
            click.option("--time-zone", metavar="NAME", help="As Europe/Berlin; else the site's, or UTC."),
        )
    ):  # fmt: skip
        command = add(command)
    return command


@click.command("chart")
@click.argument("name")
@click.option("--node", metavar="CIRCUIT", help="A circuit of the site, or a station in it; else its root.")
@options
@operator
async def site_chart(session: Session, name: str, *, node: str | None, out: Path, **asked: Any) -> None:
    """Draw what a site's circuit was allowed, gave its stations, and drew, into a file."""
    await _draw(session, f"/sites/{segment(name)}/chart", out, _query(node=node, **asked))


@click.command("chart")
@click.argument("station_id")
@click.option(
    "--connector", "connector_id", type=click.IntRange(min=1),
    help="Else the whole station where a site manages it, and connector 1 where none does.",
)  # fmt: skip
@options
@operator
async def station_chart(
    session: Session, station_id: str, *, connector_id: int | None, out: Path, **asked: Any
) -> None:
    """Draw a station's limit and draw over time into a file.

    Where no site manages it, `--to` may be in the future, for what its profiles will allow.
    """
    await _draw(session, f"/stations/{segment(station_id)}/chart", out, _query(connector_id=connector_id, **asked))


def _query(*, hours: float, until: str | None, **more: Any) -> dict[str, Any]:
    end = datetime.now(UTC) if until is None else _moment(until)
    begin = end - timedelta(hours=hours)
    times = {"from": begin.isoformat(timespec="milliseconds"), "to": end.isoformat(timespec="milliseconds")}
    return {**times, **{name: value for name, value in more.items() if value is not None}}


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter("is no time such as 2026-03-01T17:00", param_hint="--to") from None


async def _draw(session: Session, path: str, out: Path, query: dict[str, Any]) -> None:
    if out.suffix.lower() not in FORMATS:
        raise click.BadParameter(f"{out.name} must end in {' or '.join(FORMATS)}", param_hint="--out")
    asked = {**query, "format": out.suffix.lower()[1:]}
    data = b"".join([part async for part in session.api.download(path, asked)])
    try:
        out.write_bytes(data)
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror}") from None
    session.done(f"{len(data)} bytes in {out}", {"file": str(out), "bytes": len(data)})
