"""`ampstream demand`: a site or stations draw less for a while; who complied, and by how much."""

from __future__ import annotations

from typing import Any, Final, get_args

import click

from ampstream.operator.api import segment
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import cell, facts, moment, plural, span, table, when
from shared.records.demand import DemandState

STATES: Final = click.Choice(list(get_args(DemandState)))
_OUTCOMES: Final = {"site": "by its site", "taken": "taken", "away": "offline", "sent": "sent, no answer yet"}


@click.group()
def demand() -> None:
    """Have less drawn for a while; see who complied."""


@demand.command("list")
@click.option("--state", type=STATES, help="Only these.")
@limited(50)
@operator
async def list_events(session: Session, *, state: str | None, limit: int) -> None:
    """List demand response events, the latest start first."""
    await listed(
        session,
        session.api.items("/demand-events", {"state": state}, limit),
        ("id", "~name", "state", "from", "for", "~limit", "~of"),
        lambda one: (
            one["id"], one["name"], one["state"], moment(one["start_at"]), span(one["start_at"], one["end_at"]),
            _limit(one), _target(one),
        ),
        "event", limit=limit,
    )  # fmt: skip


@demand.command()
@click.option("--site", help="A site; its allocator keeps to the limit.")
@click.option("--circuit", help="Of the site; else its root.")
@click.option("--station", "stations", multiple=True, metavar="STATION_ID", help="A station; repeat it for more.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=TEXT", help="Stations by group, vendor, model, ...")
@click.option("--all", "everywhere", is_flag=True, help="Every station.")
@click.option("--start", help="ISO-8601, e.g. 2026-03-01T17:00:00+01:00; else now.")
@click.option("--end", help="ISO-8601.")
@click.option("--minutes", type=click.FloatRange(min=1), help="In place of --end.")
@click.option("--kw", type=click.FloatRange(min=0), help="Limit in kW.")
@click.option("--amps", type=click.FloatRange(min=0), help="Limit in A of each phase.")
@click.option("--percent", type=click.IntRange(0, 100), help="Limit as a share of what was drawn before.")
@click.option("--shed", is_flag=True, help="The limit is how much less is drawn; without a limit: nothing is drawn.")
@click.option("--together", is_flag=True, help="Stations share the limit; else each has it.")
@click.option("--name", default="", help="For people.")
@operator
async def add(session: Session, *, name: str, shed: bool, together: bool, **given: Any) -> None:
    """Make an event: `ampstream demand add --site depot --kw 40 --minutes 60`."""
    body: dict[str, Any] = {"kind": "shed" if shed else "curtail", "name": name, "together": together}
    body |= _when(given) | _where(given)
    limit = {key: given[key] for key in ("kw", "amps", "percent") if given[key] is not None}
    if limit:
        body["limit"] = limit
    item = await session.api.ask("POST", "/demand-events", json=body)
    session.done(f"{_target(item)}: {_limit(item)} until {moment(item['end_at'])} (event {item['id']})", item)


def _when(given: dict[str, Any]) -> dict[str, Any]:
    if (given["end"] is None) == (given["minutes"] is None):
        raise click.UsageError("give --end or --minutes")
    found: dict[str, Any] = {}
    if given["start"] is not None:
        found["start"] = given["start"]
    if given["end"] is not None:
        found["end"] = given["end"]
    else:
        found["duration_s"] = round(given["minutes"] * 60)
    return found


def _where(given: dict[str, Any]) -> dict[str, Any]:
    chosen = [bool(given["site"]), bool(given["stations"]), bool(given["filters"] or given["everywhere"])]
    if sum(chosen) != 1:
        raise click.UsageError("give one of --site, --station and --filter (or --all)")
    if given["site"]:
        return {"site": given["site"]} | ({"circuit": given["circuit"]} if given["circuit"] else {})
    if given["stations"]:
        return {"stations": list(given["stations"])}
    wanted = {}
    for text in given["filters"]:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is no NAME=TEXT", param_hint="--filter")
        wanted[key] = value
    return {"filter": wanted}


@demand.command()
@click.argument("event_id")
@operator
async def cancel(session: Session, event_id: str) -> None:
    """Let an event not begin, or end now."""
    item = await session.api.ask("POST", f"/demand-events/{segment(event_id)}/cancel")
    session.done(f"cancelled: {_target(item)}", item)


@demand.command()
@click.argument("event_id")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV, one line a station.")
@operator
async def report(session: Session, event_id: str, *, as_csv: bool) -> None:
    """Show who complied with an event, and by how much."""
    path = f"/demand-events/{segment(event_id)}/report"
    if as_csv:
        click.echo(await session.api.ask("GET", f"{path}?format=csv"), nl=False)
        return
    item = await session.api.ask("GET", path)
    if session.as_json:
        session.emit(item)
        return
    event = item["event"]
    session.out.print(
        facts(
            (
                ("event", event["name"] or event["id"]),
                ("state", event["state"] + ("" if item["final"] else ", figures so far")),
                ("time", f"{moment(event['start_at'])} to {moment(event['end_at'])}"),
                ("of", _target(event)),
                ("limit", _limit(event)),
                ("before", _kw(item["baseline_kw"])),
                ("drawn", _kw(item["drawn_kw"])),
                ("reduced by", _kw(item["reduced_kw"])),
                ("circuit", _circuit(item["circuit"])),
                ("remark", event["detail"]),
            )
        )
    )
    rows = [
        (one["station_id"], _OUTCOMES.get(one["outcome"], one["outcome"]), _kw(one["baseline_kw"]),
         _kw(one["limit_kw"]), _kw(one["drawn_kw"]), _kw(one["peak_kw"]), _kw(one["reduced_kw"]),
         {True: "yes", False: "no", None: "?"}[one["complied"]], one["detail"])
        for one in item["stations"]
    ]  # fmt: skip
    columns = ("station", "limit sent", "#before", "#limit", "#drawn", "#peak", "#reduced", "complied", "~detail")
    session.out.print(table(columns, rows))
    counts = f"{item['complied']} complied, {item['exceeded']} did not, {item['unknown']} unknown"
    measured = f"measured {when(event['measured_at'])}" if event["measured_at"] else "not measured yet"
    session.out.print(f"[dim]{plural(len(rows), 'station')}: {counts}; {measured}[/]")


def _circuit(found: dict[str, Any] | None) -> str | None:
    if found is None:
        return None
    before = f" after {found['before']['kw']:.1f} kW" if found["before"] else ""
    return f"{found['circuit']}: {found['carried']['kw']:.1f} kW{before}, {'kept' if found['complied'] else 'NOT kept'}"


def _kw(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} kW"


def _limit(event: dict[str, Any]) -> str:
    limit = event["limit"]
    if limit is None:
        return "nothing"
    parts = [f"{limit['percent']} %"] if limit["percent"] is not None else []
    if limit["amps"] is not None:
        amps = limit["amps"] if isinstance(limit["amps"], list) else [limit["amps"]]
        parts.append("/".join(f"{one:g}" for one in amps) + " A")
    if limit["kw"] is not None:
        parts.append(f"{limit['kw']:g} kW")
    return ("less by " if event["kind"] == "shed" else "") + " and ".join(parts)


def _target(event: dict[str, Any]) -> str:
    if event["site"]:
        return cell(f"site {event['site']}" + (f", circuit {event['circuit']}" if event["circuit"] else ""))
    if event["stations"]:
        return cell(plural(len(event["stations"]), "station"))
    wanted = event["filter"] or {}
    return cell(", ".join(f"{key} {value}" for key, value in wanted.items()) or "every station")
