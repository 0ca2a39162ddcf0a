"""`ampstream models`."""

from __future__ import annotations

from typing import Any

import click

from ampstream.operator.api import segment
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, moment


@click.group()
def models() -> None:
    """List and show what models can do; overrule it."""


@models.command("list")
@click.option("--vendor", help="Whole, in any case.")
@click.option("--model", help="Whole, in any case.")
@limited(100)
@operator
async def list_models(session: Session, *, limit: int, **filters: str | None) -> None:
    """List models."""
    await listed(
        session,
        session.api.items("/models", filters, limit),
        ("key", "vendor", "model", "firmware", "#connectors", "#measurands", "~rules"),
        lambda one: (
            one["key"], one["vendor"], one["model"], one["firmware"], one["connectors"], len(one["measurands"]),
            one["rules"],
        ),
        "model", limit=limit,
    )  # fmt: skip


@models.command()
@click.argument("key")
@operator
async def show(session: Session, key: str) -> None:
    """Show what is known of one model."""
    _shown(session, await session.api.ask("GET", f"/models/{segment(key)}"))


@models.command("set")
@click.argument("key")
@click.option("--rule", "rules", multiple=True, metavar="RULE=VALUE", help="A quirk rule; VALUE `none` takes it away.")
@click.option(
    "--limit", "limits", multiple=True, metavar="KEY=NUMBER", help="A limit, e.g. ChargeProfileMaxStackLevel=1."
)
@click.option("--connectors", type=click.IntRange(1, 128), help="How many connectors it has.")
@click.option("--profile", "profiles", multiple=True, help="A feature profile; all of them, each with its own option.")
@click.option("--note", help="For people.")
@click.option("--clear", is_flag=True, help="Take back what was said before.")
@operator
async def set_model(
    session: Session, key: str, *, rules: tuple[str, ...], limits: tuple[str, ...], connectors: int | None,
    profiles: tuple[str, ...], note: str | None, clear: bool,
) -> None:  # fmt: skip
    """Overrule what a model's stations say, and the rules of its quirk profile. What is not given stays as said."""
    path = f"/models/{segment(key)}/overrides"
    said = {} if clear else await session.api.ask("GET", path)
    body: dict[str, Any] = {name: said[name] for name in ("rules", "limits", "note") if name in said}
    body |= {name: said[name] for name in ("profiles", "connectors") if said.get(name) is not None}
    body["rules"] = body.get("rules", {}) | _pairs("--rule", rules)
    body["limits"] = body.get("limits", {}) | {name: _number(text) for name, text in _pairs("--limit", limits).items()}
    if connectors is not None:
        body["connectors"] = connectors
    if profiles:
        body["profiles"] = list(profiles)
    if note is not None:
        body["note"] = note
    _shown(session, await session.api.ask("PUT", path, json=body))


def _pairs(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.UsageError(f"{option} {text}: write NAME=VALUE")
        found[name] = value
    return found


def _number(text: str) -> int:
    if not text.isdecimal():
        raise click.UsageError(f"--limit: {text} is no number")
    return int(text)


_CHARGING = {
    "max_stack_level": "highest stack level",
    "units": "units of limits",
    "max_periods": "periods of a schedule",
    "max_installed": "profiles at a time",
    "refused_purposes": "purposes not served",
    "refused_kinds": "kinds not served",
    "refused_recurrences": "recurrences not served",
    "zero": "a limit of 0",
    "min_current_a": "lowest limit, A",
    "clears_not": "does not clear by",
    "composite": "composite schedule",
    "obeys": "keeps to limits",
}


def _charging(known: dict[str, Any] | None) -> list[tuple[str, Any]]:
    """Return what a probe has shown of a model's smart charging."""
    if known is None:
        return []
    rows = [(text, known[name]) for name, text in _CHARGING.items()]
    return [*rows, ("probed", f"{moment(known['learned_at'])}, on {known['station_id']}")]


def _shown(session: Session, item: dict[str, Any]) -> None:
    if session.as_json:
        session.emit(item)
        return
    said = item["overrides"]
    session.out.print(
        facts(
            [
                *((name, item[name]) for name in ("key", "vendor", "model", "firmware", "connectors")),
                ("feature profiles", item["profiles"]),
                ("measurands seen", item["measurands"]),
                ("limits", item["limits"]),
                ("quirk rules", item["rules"]),
                *_charging(item["charging"]),
                ("read", f"{moment(item['read_at'])}, of {item['station_id']}"),
                ("operators say", {name: said[name] for name in ("rules", "limits", "connectors", "profiles", "note")
                                   if said[name]}),
                ("said", moment(said["updated_at"])),
                ("by", said["by"]),
            ]
        )
    )  # fmt: skip
