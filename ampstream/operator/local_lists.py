"""`ampstream local-lists`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from ampstream.operator.api import segment
from ampstream.operator.jobs import many, one_or_many, send_many
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, moment, table, when
from ampstream.operator.templates import matched, read_template

STATES: Final = ("in_line", "pending", "partial", "differs", "refused", "unsupported")


@click.group("local-lists")
def local_lists() -> None:
    """Say who decides about tags where; see local lists."""


@local_lists.command("list")
@operator
async def list_policies(session: Session) -> None:
    """List authorization policies, the strongest first, with their lists and how stations hold them."""
    await listed(
        session,
        (await session.api.ask("GET", "/authorization/policies"))["items"],
        ("name", "mode", "#priority", "~for", "#version", "#tags", "#in step", "~out of step"),
        lambda one: (
            one["name"], one["mode"], one["priority"], matched(one), _version(one),
            (one["local_list"] or {}).get("tags"), one["stations"]["in_line"], _out_of_step(one),
        ),
        "policy", "policies",
    )  # fmt: skip


@local_lists.command()
@click.argument("name")
@operator
async def show(session: Session, name: str) -> None:
    """Show one authorization policy."""
    item = await session.api.ask("GET", f"/authorization/policies/{segment(name)}")
    if session.as_json:
        session.emit(item)
        return
    rule, made = item["list"], item["local_list"] or {}
    session.out.print(
        facts(
            (
                ("name", item["name"]),
                ("mode", item["mode"]),
                ("for", matched(item)),
                ("priority", item["priority"]),
                ("tags of groups", rule["groups"]),
                ("tags that begin with", rule["prefix"]),
                ("refused tags too", rule["refused"]),
                ("list", made and f"version {made['version']}, of {moment(made['changed_at'])}"),
                ("tags", made.get("tags")),
                ("too long for a list", made.get("too_long")),
                ("stations", {state.replace("_", " "): n for state, n in item["stations"].items() if n}),
                ("configured", {state.replace("_", " "): n for state, n in item["configured"].items() if n}),
                ("note", item["note"]),
            )
        )
    )
    session.out.print(table(("key", "~value"), list(item["wanted_keys"].items())))


@local_lists.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@operator
async def put(session: Session, file: Path) -> None:
    """Create or replace the authorization policy in a TOML file.

    Its top level has `name` (else the file's), `mode` (central, local or hybrid), `priority`, `match`, `note`; `[list]`
    says which tags stand in the local list (`groups`, `prefix`, `refused`), `[keys]` has configuration keys in place of
    the mode's.

    Lists are sent at once; keys are set after a station's next boot, or by `ampstream config apply`.
    """
    name, body = read_template(file)
    item = await session.api.ask("PUT", f"/authorization/policies/{segment(name)}", json=body)
    session.done(f"policy {item['name']} is written", item)


@local_lists.command()
@click.argument("name")
@click.confirmation_option("--yes", prompt="Forget this policy, and empty its stations' local lists?")
@operator
async def delete(session: Session, name: str) -> None:
    """Forget an authorization policy; its stations' lists are emptied."""
    await session.api.ask("DELETE", f"/authorization/policies/{segment(name)}")
    session.done("policy deleted")


@local_lists.command()
@click.argument("name")
@click.option("--state", type=click.Choice(STATES), help="Only these.")
@limited(100)
@operator
async def status(session: Session, name: str, limit: int, state: str | None) -> None:
    """List the stations of a policy: the version wanted, the one held, since when."""
    await listed(
        session,
        session.api.items(f"/authorization/policies/{segment(name)}/stations", {"state": state}, limit),
        ("station", "state", "since", "#wanted", "#held", "held since", "#tags", "~remarks"),
        lambda one: (
            one["station_id"], one["state"].replace("_", " "), when(one["since"]), one["wanted"], one["held"],
            when(one["held_since"]), one["tags"], _remarks(one),
        ),
        "station", limit=limit,
    )  # fmt: skip


@local_lists.command()
@click.argument("station_id")
@operator
async def station(session: Session, station_id: str) -> None:
    """Show which version of which list a station is to hold, and which it holds."""
    item = await session.api.ask("GET", f"/stations/{segment(station_id)}/local-list")
    if session.as_json:
        session.emit(item)
        return
    session.out.print(
        facts(
            (
                ("station", item["station_id"]),
                ("policy", item["policy"] or "none"),
                ("state", item["state"].replace("_", " ")),
                ("since", moment(item["since"])),
                ("version wanted", item["wanted"]),
                ("version held", item["held"]),
                ("held since", moment(item["held_since"])),
                ("the station's number", item["number"]),
                ("it said so last", moment(item["verified_at"])),
                ("tags", item["tags"]),
                ("no room for", item["left_out"]),
                ("remarks", _remarks(item)),
            )
        )
    )


@local_lists.command()
@click.argument("station_id", required=False)
@click.option("--full", is_flag=True, help="Send it whole, whatever the station says that it has.")
@click.option("--wait", is_flag=True, help="Many: wait for the end; exit status 1 unless all are in step.")
@many
@operator
async def sync(session: Session, station_id: str | None, *, full: bool, wait: bool, **options: Any) -> None:
    """Ask stations what they have, and send what they lack, now or when they are back.

    In place of STATION_ID --stations, --group, --filter or --all say which: a job does it, a few at a time.
    """
    stations = one_or_many(station_id, options)
    if wait and stations is None:
        stations = {"stations": [station_id]}
    if stations is not None:
        body = {"kind": "sync_local_lists", "payload": {"full": full}, **stations}
        await send_many(session, body, options, wait=wait)
        return
    assert station_id is not None, "one_or_many says so"
    item = await session.api.ask("POST", f"/stations/{segment(station_id)}/local-list/sync", json={"full": full})
    session.done(item["detail"], item)


def _version(item: dict[str, Any]) -> Any:
    if item["mode"] == "central":
        return None
    return item["local_list"]["version"] if item["local_list"] else "being made"


def _out_of_step(item: dict[str, Any]) -> str:
    counts = {state: n for state, n in item["stations"].items() if n and state != "in_line"}
    return ", ".join(f"{n} {state}" for state, n in counts.items())


def _remarks(item: dict[str, Any]) -> str:
    parts = [
        f"{item['sent']} tags sent" if item["sent"] is not None else "",
        f"no room for {item['left_out']} tags" if item["left_out"] else "",
        item["answer"] or "",
    ]
    return "; ".join(part for part in parts if part)
