"""`ampstream site`: sites and how they stand."""

from __future__ import annotations

import asyncio
import json
import tomllib
from pathlib import Path
from typing import Any

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from ampstream.operator.api import segment
from ampstream.operator.charts import site_chart
from ampstream.operator.listing import listed
from ampstream.operator.session import Session, operator, until_interrupted
from ampstream.operator.show import moment, plural, table, when
from ampstream.operator.site_tree import Tree

WATCH_S = 2.0
"""Rounds are a few seconds apart."""
_TOLD = frozenset({"name", "version", "updated_at", "updated_by"})
"""Fields of a document that are told, and not written."""


@click.group()
def site() -> None:
    """Share a site's capacity among its stations."""


@site.command("list")
@operator
async def list_sites(session: Session) -> None:
    """List sites."""
    await listed(
        session,
        session.api.items("/sites", {}, 0),
        ("name", "#version", "strategy", "#circuits", "#stations", "changed", "by", "~note"),
        lambda one: (
            one["name"], one["version"], one["strategy"], one["circuits"], one["stations"], when(one["updated_at"]),
            one["updated_by"], one["note"],
        ),
        "site",
    )  # fmt: skip


@site.command()
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--if-version", type=click.IntRange(min=0), help="Only over this version; 0: only where there is none.")
@operator
async def put(session: Session, name: str, file: Path, *, if_version: int | None) -> None:
    r"""Write a site from a TOML file, or JSON as `get` prints it, whole; it becomes the next version.

    \b
        strategy = "equal"              # or priority, first_come, deadline
        price_area = "default"          # whose prices `deadline` goes by
        [[circuits]]
        name = "main"                   # the root has no parent
        capacity = { amps = 100 }       # of each phase; or [100, 100, 80], or kw = 69
        base_load = { fixed = { kw = 8 } }
        [[circuits]]
        name = "garage"
        parent = "main"
        capacity = { amps = 63 }
        [[stations]]
        id = "CP-1"
        circuit = "garage"
        rotation = "RST"                # phases of the grid at its L1, L2, L3; "S": one phase
        max_amps = 32
    """
    try:
        text = file.read_text(encoding="utf-8")
        body = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise click.ClickException(f"{file}: {error}") from None
    if isinstance(body, dict):
        body = {field: value for field, value in body.items() if field not in _TOLD}
    query = "" if if_version is None else f"?if_version={if_version}"
    item = await session.api.ask("PUT", f"/sites/{segment(name)}{query}", json=body)
    counts = f"{plural(len(item['circuits']), 'circuit')}, {plural(len(item['stations']), 'station')}"
    session.done(f"{item['name']}, version {item['version']}: {counts}", item)


@site.command()
@click.argument("name")
@operator
async def get(session: Session, name: str) -> None:
    """Print a site's document, as `put` takes it, in JSON."""
    session.emit(await session.api.ask("GET", f"/sites/{segment(name)}"))


@site.command()
@click.argument("name")
@click.option("--circuits", "only_circuits", is_flag=True, help="Without stations.")
@click.option("--watch", is_flag=True, help="Go on, and draw it anew every two seconds.")
@operator
@until_interrupted
async def show(session: Session, name: str, *, only_circuits: bool, watch: bool) -> None:
    """Draw a site's tree with its loads, as of the last round, a few seconds ago."""
    path = f"/sites/{segment(name)}/state"
    if not watch or session.as_json or not session.out.is_terminal:
        await _print(session, path, only_circuits=only_circuits, watch=watch)
        return
    with Live(console=session.out, auto_refresh=False) as live:
        while True:
            live.update(_drawn(await session.api.ask("GET", path), only_circuits), refresh=True)
            await asyncio.sleep(WATCH_S)


async def _print(session: Session, path: str, *, only_circuits: bool, watch: bool) -> None:
    """Print a site below its last picture: for pipes, which can't go back."""
    while True:
        state = await session.api.ask("GET", path)
        if session.as_json:
            session.emit(state)
        else:
            session.out.print(_drawn(state, only_circuits))
        if not watch:
            return
        await asyncio.sleep(WATCH_S)


def _drawn(state: dict[str, Any], only_circuits: bool) -> Group:
    if state["at"] is None:
        return Group(Text(f"{state['name']}: no worker has looked at it yet"))
    late = "" if state["worker"] else ", and no worker allocates at the moment"
    told = Text(f"version {state['version']}, {moment(state['at'])}{late}", style="dim")
    return Group(Tree(state, stations=not only_circuits).drawn(), told)


site.add_command(site_chart)


@site.command()
@click.argument("name")
@operator
async def delete(session: Session, name: str) -> None:
    """Delete a site; its profiles are taken off its stations."""
    await session.api.ask("DELETE", f"/sites/{segment(name)}")
    session.done(f"{name} is deleted; its stations are being told")


@site.group("base-load")
def base_load() -> None:
    """See and post what else draws on a site's circuits."""


@base_load.command("list")
@click.argument("name")
@operator
async def list_loads(session: Session, name: str) -> None:
    """List the base loads that were posted."""
    state = await session.api.ask("GET", f"/sites/{segment(name)}/state")
    if session.as_json:
        for item in state["loads"]:
            session.emit(item)
        return
    rows = [(one["circuit"], _amount(one), when(one["at"]), one["by"]) for one in state["loads"]]
    session.out.print(table(("circuit", "~load", "at", "by"), rows))


@base_load.command("put")
@click.argument("name")
@click.argument("circuit")
@click.option("--amps", help="Of each phase: `12.5`, or `12,10,9` for R, S, T.")
@click.option("--kw", type=click.FloatRange(min=0), help="Of all phases together.")
@operator
async def put_load(session: Session, name: str, circuit: str, *, amps: str | None, kw: float | None) -> None:
    """Tell what else draws on a circuit now, as a meter has it; charging is not in it."""
    body: dict[str, Any] = {} if kw is None else {"kw": kw}
    if amps is not None:
        body["amps"] = _numbers(amps)
    if not body:
        raise click.UsageError("give --amps or --kw")
    item = await session.api.ask("PUT", f"/sites/{segment(name)}/circuits/{segment(circuit)}/base-load", json=body)
    session.done(f"{name}, {circuit}: {_amount(item)}", item)


def _numbers(text: str) -> float | list[float]:
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        raise click.BadParameter("is no number, nor three with commas", param_hint="--amps") from None
    if len(found) not in (1, 3):
        raise click.BadParameter("takes one number, or three with commas", param_hint="--amps")
    return found[0] if len(found) == 1 else found


def _amount(item: dict[str, Any]) -> str:
    amps, kw = item["amps"], item["kw"]
    words = []
    if amps is not None:
        words.append(" / ".join(f"{one:g}" for one in (amps if isinstance(amps, list) else [amps])) + " A")
    if kw is not None:
        words.append(f"{kw:g} kW")
    return ", ".join(words)
