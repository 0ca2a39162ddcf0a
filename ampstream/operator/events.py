"""`ampstream events` and `ampstream tail`: what happens, as it happens."""

from __future__ import annotations

from typing import Any, Final

import click
from rich.markup import escape

from ampstream.operator.api import FeedItem
from ampstream.operator.session import Session, operator, until_interrupted
from ampstream.operator.show import cell, clock
from ampstream.operator.words import COLOURS, sentence

_SHOWN_APART: Final = frozenset({"id", "type", "version", "station_id", "at"})


@click.command()
@click.option("--type", "types", multiple=True, help="Only this type, or `transaction.*`; may be repeated.")
@click.option("--station", "station_id", help="Only of this station.")
@click.option("--after", default="", metavar="POSITION", help="Resume behind this position; 0: the oldest kept.")
@operator
@until_interrupted
async def events(session: Session, *, types: tuple[str, ...], station_id: str | None, after: str) -> None:
    """Print the live event feed.

    Goes on until Ctrl-C; a lost connection is taken up again without losing an event. With --json each line is
    {"position": ..., "event": {...}}, and the position is what --after takes.
    """
    params = {"type": ",".join(types), "station_id": station_id}
    async for item in session.api.follow(params, after):
        if session.as_json:
            session.emit({"position": item.position or None, "event": item.data})
        else:
            session.out.print(_line(item), soft_wrap=True)


@click.command()
@click.argument("station_id", required=False, metavar="[STATION]")
@click.option("--after", default="", metavar="POSITION", help="Begin behind this position; 0: the oldest kept.")
@operator
@until_interrupted
async def tail(session: Session, station_id: str | None, after: str) -> None:
    """Follow one station, in plain words.

    Without STATION: all of them. Goes on until Ctrl-C.
    """
    async for item in session.api.follow({"station_id": station_id}, after):
        if session.as_json:
            session.emit(item.data)
            continue
        data = item.data
        if item.type == "gap":
            session.out.print("[yellow]some events are gone: they were older than what is kept[/]")
            continue
        colour = COLOURS.get(item.type.partition(".")[0], "white")
        mark = "red" if item.type in {"station.offline", "quarantine.added", "authorization.refused"} else colour
        station = f"{escape(data['station_id']):<16} " if station_id is None else ""
        session.out.print(
            f"[dim]{clock(data['at'])}[/] [bold]{station}[/][{mark}]{sentence(item.type, data)}[/]", soft_wrap=True
        )


def _line(item: FeedItem) -> str:
    data: dict[str, Any] = item.data
    if item.type == "gap":
        return f"[yellow]gap[/] after={data['after']} first={data['first']}"
    rest = " ".join(
        f"[dim]{name}=[/]{cell(value)}"
        for name, value in data.items()
        if name not in _SHOWN_APART and value not in (None, "", [])
    )
    return f"[dim]{data.get('at')}[/] [cyan]{escape(item.type)}[/] [bold]{escape(data['station_id'])}[/] {rest}"
