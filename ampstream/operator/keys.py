"""`ampstream keys`: stations' keys, rotated; the least security profile of groups."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import click

from ampstream.operator.api import segment
from ampstream.operator.jobs import many, one_or_many, send_many
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, moment, plural, table

POLL_S: Final = 0.5
_OVER: Final = ("done", "refused")


@click.group()
def keys() -> None:
    """Rotate stations' keys, and say how securely groups must connect."""


@keys.command()
@click.argument("station_id")
@operator
async def show(session: Session, station_id: str) -> None:
    """Show what a station proves itself by, and where a change of its key stands."""
    item = await session.api.ask("GET", f"/stations/{segment(station_id)}/credentials")
    if session.as_json:
        session.emit(item)
        return
    rotation = item["rotation"] or {}
    certificate = item["certificate"] or {}
    session.out.print(
        facts(
            (
                ("station", item["station_id"]),
                ("key", "set" if item["has_key"] else "none"),
                ("security profile", f"{item['security_profile']}, at least {item['minimum_profile']}"),
                ("rotation", rotation.get("state")),
                ("since", moment(rotation.get("changed_at"))),
                ("sent", rotation.get("sent")),
                ("answer", rotation.get("answer")),
                ("next", rotation.get("next")),
                ("last rotated", moment(item["rotated_at"])),
                ("certificate", certificate.get("serial")),
                ("ends", moment(certificate.get("not_after"))),
            )
        )
    )


@keys.command()
@click.argument("station_id", required=False)
@click.option("--wait", is_flag=True, help="Wait until it is done, or needs a reboot; exit status 1 unless it is done.")
@click.option("--wait-s", type=click.IntRange(1, 3600), default=120, show_default=True, help="How long, for one.")
@many
@operator
async def rotate(session: Session, station_id: str | None, *, wait: bool, wait_s: int, **options: Any) -> None:
    """Bring a station a new key that nobody sees; old and new both open until it has come with the new one.

    In place of STATION_ID --stations, --group, --filter or --all say of which: a job does so, a few at a time.
    """
    stations = one_or_many(station_id, options)
    if stations is not None:
        await send_many(session, {"kind": "rotate_keys", **stations}, options, wait=wait)
        return
    assert station_id is not None, "one_or_many says so"
    item = await session.api.ask("POST", f"/stations/{segment(station_id)}/key-rotation")
    for _ in range(round(wait_s / POLL_S) if wait else 0):
        found = await session.api.ask("GET", f"/stations/{segment(station_id)}/credentials")
        item = found["rotation"] or item
        if item["state"] in _OVER or item.get("needs_reboot"):
            break
        await asyncio.sleep(POLL_S)
    if wait and item["state"] != "done":
        said = [item["state"], item.get("answer"), item.get("next")]
        raise click.ClickException(": ".join(word for word in said if word))
    session.done(f"{station_id}: {item['state']}", item)


@keys.group()
def policies() -> None:
    """The least security profile of groups."""


@policies.command("list")
@operator
async def list_policies(session: Session) -> None:
    """List the least security profile of each group that has one; `*`: of every station."""
    found = await session.api.ask("GET", "/security-policies")
    if session.as_json:
        session.emit(found)
        return
    rows = [(one["group"], one["minimum_profile"]) for one in found["items"]]
    session.out.print(table(("group", "#at least"), rows))
    session.out.print(f"[dim]{plural(len(rows), 'group')}[/]")


@policies.command("set")
@click.argument("group")
@click.argument("profile", type=click.IntRange(0, 3))
@operator
async def set_policy(session: Session, group: str, profile: int) -> None:
    """Refuse stations of GROUP (`*`: every one) below security profile PROFILE from their next connection on."""
    item = await session.api.ask("PUT", f"/security-policies/{segment(group)}", json={"minimum_profile": profile})
    session.done("security policy set", item)


@policies.command("remove")
@click.argument("group")
@operator
async def remove_policy(session: Session, group: str) -> None:
    """Ask nothing of GROUP beyond what is asked of everybody."""
    await session.api.ask("DELETE", f"/security-policies/{segment(group)}")
    session.done("security policy removed")
