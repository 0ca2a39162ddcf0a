"""`ampstream send` and `ampstream commands`."""

from __future__ import annotations

from typing import Any, Final, get_args

import aiohttp
import click
import msgspec

from ampstream.operator.api import segment
from ampstream.operator.fields import FieldsError, payload
from ampstream.operator.jobs import many, only_one, send_many, target
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import cell, facts, moment, when
from shared.ocpp import v16
from shared.records.commands import TERMINAL, CommandState

STATES: Final = click.Choice(list(get_args(CommandState)))
MAX_WAIT_S: Final = 60
EARLY_S: Final = 15
"""What the client waits longer than the server: a commit, and the way there and back."""


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[STATION] ACTION [FIELDS]...")
@click.option("--payload", "text", metavar="JSON", help="The whole payload as JSON, in place of FIELDS.")
@click.option("--wait", is_flag=True, help="Wait for the outcome; exit status 1 unless it is accepted, by all.")
@click.option(
    "--wait-s",
    type=click.IntRange(1, MAX_WAIT_S),
    default=30,
    show_default=True,
    help="How long, for one station.",
)
@click.option("--expires-in-s", type=click.IntRange(min=1), help="Do not send it after so long; else seven days.")
@click.option("--idempotency-key", metavar="KEY", help="Repeated with the same key, it is carried out once.")
@many
@operator
async def send(
    session: Session, words: tuple[str, ...], *, text: str | None, wait: bool,
    wait_s: int, expires_in_s: int | None, idempotency_key: str | None, **options: Any,
) -> None:  # fmt: skip
    """Send a command to a station, or to many.

    ACTION is spelt as in the standard, FIELDS are its payload: `ampstream send CP1 Reset type=Soft`. Members and items
    are reached by paths: `csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit=16`.

    In place of STATION --stations, --group, --filter or --all say to whom: a job sends it, a few stations at a time,
    and to those that are offline once they are back. `ampstream jobs` shows, pauses and cancels it; with --wait this
    command shows how far it is until its end.
    """
    stations = target(options)
    station_id, action, fields = _words(words, to_many=stations is not None)
    body: dict[str, Any] = {"action": action, "payload": _payload(action, fields, text)}
    if expires_in_s is not None:
        body["expires_in_s"] = expires_in_s
    if stations is not None:
        await send_many(session, {**body, **stations}, options, key=idempotency_key, wait=wait)
        return
    only_one(options)
    item = await session.api.ask(
        "POST",
        f"/stations/{segment(station_id)}/commands" + (f"?wait={wait_s}s" if wait else ""),
        json=body,
        headers={"Idempotency-Key": idempotency_key} if idempotency_key else {},
        timeout=aiohttp.ClientTimeout(total=(wait_s if wait else 0) + EARLY_S),
    )
    if session.as_json:
        session.emit(item)
    else:
        session.out.print(f"{cell(action)} to {cell(station_id)}: {cell(item['state'])}  [dim]{cell(item['id'])}[/]")
        session.out.print(facts([("response", item["response"] or None), ("error", item["error"])]))
    if wait and item["state"] not in TERMINAL:
        raise click.ClickException(
            f"no outcome within {wait_s} s: it is {item['state']}; see `ampstream commands show {item['id']}`"
        )
    if wait and item["state"] != "accepted":
        raise click.exceptions.Exit(1)


def _words(words: tuple[str, ...], *, to_many: bool) -> tuple[str, str, tuple[str, ...]]:
    """Return station, action and fields; the station is empty where others are named by options."""
    if to_many:
        return "", words[0], words[1:]
    if len(words) < 2:
        raise click.UsageError("say to which station and what: `ampstream send CP1 Reset type=Soft`")
    return words[0], words[1], words[2:]


@click.group()
def commands() -> None:
    """List, show and cancel commands to stations."""


@commands.command("list")
@click.option("--station", "station_id", help="Only of this station.")
@click.option("--state", type=STATES, help="Only these.")
@click.option("--action", help="Only of this action.")
@limited(50)
@operator
async def list_commands(session: Session, *, limit: int, **filters: str | None) -> None:
    """List commands, the newest first."""
    await listed(
        session,
        session.api.items("/commands", filters, limit),
        ("id", "created", "station", "action", "state", "ended", "~answer"),
        lambda one: (
            one["id"], when(one["created_at"]), one["station_id"], one["action"], one["state"], when(one["ended_at"]),
            one["error"] or _status(one["response"]),
        ),
        "command", limit=limit,
    )  # fmt: skip


@commands.command()
@click.argument("command_id")
@operator
async def show(session: Session, command_id: str) -> None:
    """Show one command, with its payload and its answer."""
    _shown(session, await session.api.ask("GET", f"/commands/{segment(command_id)}"))


@commands.command()
@click.argument("command_id")
@operator
async def cancel(session: Session, command_id: str) -> None:
    """Cancel a command that was not sent."""
    item = await session.api.ask("DELETE", f"/commands/{segment(command_id)}")
    session.done(f"{item['action']} to {item['station_id']} is cancelled", item)


def _payload(action: str, fields: tuple[str, ...], text: str | None) -> Any:
    if text is None:
        try:
            return payload(fields, v16.REQUESTS.get(action))
        except FieldsError as error:
            raise click.UsageError(str(error)) from None
    if fields:
        raise click.UsageError("give FIELDS or --payload, not both")
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise click.UsageError(f"--payload is no JSON object: {error}") from None


def _status(response: Any) -> Any:
    return response.get("status") if isinstance(response, dict) else response


def _shown(session: Session, item: dict[str, Any]) -> None:
    if session.as_json:
        session.emit(item)
        return
    times = [(name.removesuffix("_at"), moment(item[name])) for name in item if name.endswith("_at")]
    pairs = [(name, item[name]) for name in ("id", "station_id", "action", "state", "error", "job")]
    words = [
        (name, msgspec.json.encode(item[name]).decode()) for name in ("payload", "response") if item[name] is not None
    ]
    session.out.print(facts([*pairs, *words, *times]))
