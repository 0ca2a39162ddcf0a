"""`ampstream stations`."""

from __future__ import annotations

from typing import Any

import click

from ampstream.operator.api import segment
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, kwh, moment, span, table, when

STATES = click.Choice(["online", "offline", "never_seen"])
REGISTRATIONS = click.Choice(["accepted", "pending", "rejected", "none"])
POLICIES = click.Choice(["accepted", "pending", "rejected", "default"])


@click.group()
def stations() -> None:
    """List, show, create, change and delete stations."""


@stations.command("list")
@click.option("--state", type=STATES, help="Only these.")
@click.option("--vendor", help="Only of this vendor.")
@click.option("--model", help="Only of this model.")
@click.option("--group", help="Only of this group.")
@click.option("--firmware", help="Only those that reported this one.")
@click.option("--registration", type=REGISTRATIONS, help="Only those whose boot was answered so.")
@click.option("--flag", help="Only those that showed this deviation.")
@limited(100)
@click.argument("prefix", default="")
@operator
async def list_stations(session: Session, prefix: str, limit: int, **filters: str | None) -> None:
    """List stations, or those whose id begins with PREFIX."""
    items = session.api.items("/stations", {"q": prefix, **filters}, limit)
    columns = ("station", "state", "protocol", "~model", "firmware", "~connectors", "last seen", "#flags")
    await listed(session, items, columns, _row, "station", limit=limit)


@stations.command()
@click.argument("station_id")
@operator
async def show(session: Session, station_id: str) -> None:
    """Show one station."""
    item = await session.api.ask("GET", f"/stations/{segment(station_id)}")
    if session.as_json:
        session.emit(item)
        return
    session.out.print(facts(_facts(item)))
    rows = [
        (c["connector_id"], c["status"], c["error_code"], c["info"], moment(c["reported_at"]))
        for c in item["connectors"]
    ]
    if rows:
        session.out.print(table(("#connector", "status", "error", "~info", "reported"), rows, title="\nConnectors"))
    await _show_open(session, station_id)


@stations.command()
@click.argument("station_id")
@limited(50)
@operator
async def history(session: Session, station_id: str, limit: int) -> None:
    """Show what a station reported beside its present state, newest first."""
    items = session.api.items(f"/stations/{segment(station_id)}/history", {}, limit)

    def row(one: dict[str, Any]) -> tuple[Any, ...]:
        return when(one["received_at"]), one["kind"], one["late"] or None, one["data"]

    await listed(session, items, ("received", "kind", "late", "~data"), row, "entry", "entries", limit=limit)


def _setting_options(command: Any) -> Any:
    """Add the options that `create` and `update` share."""
    for option in (
        click.option("--name", help="What people call it."),
        click.option("--group", help="What it belongs to."),
        click.option("--time-zone", help="IANA name, for timestamps without a zone."),
        click.option("--boot-policy", type=POLICIES, help="The answer to its next boot."),
        click.option(
            "--minimum-profile", type=click.IntRange(0, 3), help="Security profile below which it is refused."
        ),
        click.option("--certificate-name", help="Common name of its certificate; empty: its id."),
        click.option("--subprotocol", type=click.Choice(["ocpp1.6", "none"]), help="Taken where it offers none."),
        click.option(
            "--quirk",
            "quirk_profile",
            multiple=True,
            metavar="RULE=VALUE",
            help="A rule for what it does in its own way; may be repeated; replaces all it has. `none`: no rule.",
        ),
        click.option("--ping/--no-ping", default=None, help="Whether it answers WebSocket pings."),
        click.option("--blocked/--not-blocked", default=None, help="Whether it is refused whatever it shows."),
    ):
        command = option(command)
    return command


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in options.items() if value is not None}
    if found.get("boot_policy") == "default":
        found["boot_policy"] = None
    if found.get("subprotocol") == "none":
        found["subprotocol"] = ""
    rules = found.pop("quirk_profile", ())
    if rules:
        found["quirk_profile"] = dict(map(_rule, rules)) if rules != ("none",) else {}
    return found


def _rule(text: str) -> tuple[str, str]:
    rule, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"{text!r} is not RULE=VALUE", param_hint="--quirk")
    return rule.strip(), value.strip()


@stations.command()
@click.argument("station_id")
@_setting_options
@click.option("--make-key", is_flag=True, help="Make a key and print it, this once.")
@click.option("--ask-password", is_flag=True, help="Ask for a password to set.")
@operator
async def create(session: Session, station_id: str, *, make_key: bool, ask_password: bool, **options: Any) -> None:
    """Make a station known before it dials in."""
    body = {"station_id": station_id, **_settings(options)}
    if make_key:
        body["make_key"] = True
    if ask_password:
        body["password"] = _ask_password()
    item = await session.api.ask("POST", "/stations", json=body)
    session.done(f"station {station_id} created", item)
    _show_key(session, item)


@stations.command()
@click.argument("station_id")
@_setting_options
@operator
async def update(session: Session, station_id: str, **options: Any) -> None:
    """Change a station; what is not given stays."""
    body = _settings(options)
    if not body:
        raise click.UsageError("nothing to change; see --help for what there is")
    item = await session.api.ask("PATCH", f"/stations/{segment(station_id)}", json=body)
    session.done(f"station {station_id} changed", item)


@stations.command()
@click.argument("station_id")
@click.option("--force", is_flag=True, help="Close open transactions with their last known meter value.")
@click.confirmation_option("--yes", prompt="Forget this station, and close its socket?")
@operator
async def delete(session: Session, station_id: str, *, force: bool) -> None:
    """Forget a station; its transactions stay."""
    await session.api.ask("DELETE", f"/stations/{segment(station_id)}", params={"force": str(force).lower()})
    session.done(f"station {station_id} deleted")


@stations.command()
@click.argument("station_id")
@operator
async def disconnect(session: Session, station_id: str) -> None:
    """Close a station's socket; it dials in again."""
    item = await session.api.ask("POST", f"/stations/{segment(station_id)}/disconnect")
    session.done(f"station {station_id} disconnected", item)


@stations.command()
@click.argument("station_id")
@click.option("--ask-password", is_flag=True, help="Ask for a password to set instead.")
@operator
async def key(session: Session, station_id: str, *, ask_password: bool) -> None:
    """Make a station's key and print it, this once."""
    body = {"password": _ask_password()} if ask_password else {}
    item = await session.api.ask("POST", f"/stations/{segment(station_id)}/key", json=body)
    session.done(f"key of {station_id} set; it counts from the next connect on", item)
    _show_key(session, item)


def _ask_password() -> str:
    found: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return found


def _show_key(session: Session, item: dict[str, Any]) -> None:
    if item["key"] and not session.as_json:
        session.out.print(f"  key: [bold]{item['key']}[/]  [dim](shown this once)[/]")


def _row(item: dict[str, Any]) -> tuple[Any, ...]:
    counts: dict[str, int] = {}
    for connector in item["connectors"]:
        if connector["connector_id"]:
            counts[connector["status"]] = counts.get(connector["status"], 0) + 1
    return (
        item["station_id"],
        item["state"],
        item["protocol"],
        " ".join(filter(None, (item["vendor"], item["model"]))),
        item["firmware"],
        ", ".join(f"{count} {status}" for status, count in counts.items()),
        when(item["last_seen_at"]),
        len(item["flags"]) or None,
    )


def _facts(item: dict[str, Any]) -> list[tuple[str, Any]]:
    session, settings = item["session"], item["settings"]
    vendor = " ".join(filter(None, (item["vendor"], item["model"])))
    return [
        ("station", item["station_id"]),
        ("name", item["name"]),
        ("group", item["group"]),
        ("state", item["state"]),
        ("registration", item["registration"]),
        ("protocol", item["protocol"]),
        ("vendor, model", vendor),
        ("firmware", item["firmware"]),
        ("serial number", item["serial_number"]),
        ("last seen", moment(item["last_seen_at"])),
        ("booted", moment(item["booted_at"])),
        ("heartbeat", f"{item['heartbeat_interval_s']} s" if item["heartbeat_interval_s"] else None),
        ("connected", moment(session["opened_at"])),
        ("address", session["address"]),
        ("edge", session["node"]),
        ("closed", f"{moment(session['closed_at'])} {session['close_reason'] or ''}" if session["closed_at"] else None),
        ("key", "set" if settings["has_key"] else _without_key(settings["minimum_profile"])),
        ("minimum profile", settings["minimum_profile"] or None),
        ("certificate name", settings["certificate_name"]),
        ("blocked", settings["blocked"] or None),
        ("boot policy", settings["boot_policy"]),
        ("time zone", settings["time_zone"]),
        ("quirks", [f"{rule}={value}" for rule, value in settings["quirk_profile"].items()]),
        ("flags", item["flags"]),
        ("statuses", item["statuses"]),
    ]


async def _show_open(session: Session, station_id: str) -> None:
    items = session.api.items("/transactions", {"station_id": station_id, "state": "open"}, 20)
    rows = [
        (one["id"], one["connector_id"], one["id_tag"], moment(one["started_at"]), span(one["started_at"], None),
         kwh(one["energy_wh"]))
        async for one in items
    ]  # fmt: skip
    if rows:
        columns = ("#id", "#connector", "id tag", "started", "#duration", "#energy")
        session.out.print(table(columns, rows, title="\nOpen transactions"))


def _without_key(minimum_profile: int) -> str:
    """Say what it means that a station has no key: with a least profile it needs a certificate."""
    return "none" if minimum_profile else "none: anybody may dial in as this station"
