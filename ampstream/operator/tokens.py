"""`ampstream tokens`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import click

from ampstream.operator.api import segment
from ampstream.operator.listing import listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, moment

_DAY_S: Final = 86400
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": _DAY_S}


class _Span(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """A time such as `90s`, `30m`, `12h`, `7d`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        number, unit = str(value)[:-1], str(value)[-1:]
        if not number.isdecimal() or unit not in _UNITS:
            self.fail("write a time such as 90s, 30m, 12h or 7d", param, ctx)
        return int(number) * _UNITS[unit]


@click.group()
def tokens() -> None:
    """Make, list, rotate and revoke the API's tokens."""


@tokens.command("list")
@operator
async def list_tokens(session: Session) -> None:
    """List tokens: what each may do, until when, and when it was used last."""
    await listed(
        session,
        (await session.api.ask("GET", "/tokens"))["items"],
        ("id", "name", "scope", "state", "expires", "last used", "from"),
        lambda one: (
            one["id"], one["name"], one["scope"], one["state"], moment(one["expires_at"]), moment(one["last_used_at"]),
            one["last_used_from"],
        ),
        "token",
    )  # fmt: skip


@tokens.command()
@click.argument("name")
@click.option("--scope", type=click.Choice(["read", "operate", "admin"]), default="read", show_default=True)
@click.option("--expires", "expires_at", metavar="TIME", help="ISO-8601 with a zone; without it: never.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write it into this new file, mode 0600, and do not show it."
)
@operator
async def create(session: Session, name: str, scope: str, expires_at: str | None, out: Path | None) -> None:
    """Make a token; it is shown this once."""
    body = {"name": name, "scope": scope, **({"expires_at": expires_at} if expires_at else {})}
    _shown(session, await session.api.ask("POST", "/tokens", json=body), out)


@tokens.command()
@click.argument("token_id")
@click.option(
    "--overlap", "overlap_s", type=_Span(), default="1h", show_default=True, help="How long the old one goes on."
)
@click.option(
    "--expires", "expires_at", metavar="TIME", help="Of the new one: ISO-8601 with a zone; without it: never."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write it into this new file, mode 0600, and do not show it."
)
@operator
async def rotate(session: Session, token_id: str, overlap_s: int, expires_at: str | None, out: Path | None) -> None:
    """Replace a token by a new one of the same name and scope; it is shown this once."""
    body = {"overlap_s": overlap_s, **({"expires_at": expires_at} if expires_at else {})}
    item = await session.api.ask("POST", f"/tokens/{segment(token_id)}/rotate", json=body)
    _shown(session, item, out)
    if not session.as_json:
        session.out.print(f"[dim]{token_id} works until {moment(item['old_expires_at'])}[/]")


@tokens.command()
@click.argument("token_id")
@click.confirmation_option("--yes", prompt="Revoke this token?")
@operator
async def revoke(session: Session, token_id: str) -> None:
    """Revoke a token: within five seconds nobody takes it any more."""
    await session.api.ask("DELETE", f"/tokens/{segment(token_id)}")
    session.done(f"{token_id} revoked")


@tokens.command()
@operator
async def whoami(session: Session) -> None:
    """Show whose token the commands use, and what it may do."""
    item = await session.api.ask("GET", "/me")
    if session.as_json:
        session.emit(item)
        return
    session.out.print(
        facts(
            (
                ("name", item["name"]),
                ("kind", item["kind"]),
                ("id", item["id"]),
                ("scope", item["scope"]),
                ("expires", moment(item["expires_at"])),
            )
        )
    )


def _shown(session: Session, item: dict[str, Any], out: Path | None) -> None:
    if out is not None:
        text = item.pop("token")
        try:
            descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise click.ClickException(
                f"{item['id']} was made, but {out} can't be written ({error.strerror}): revoke it, or rotate it"
            ) from None
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
        session.done(f"{item['id']} made; the token is in {out}", item)
    elif session.as_json:
        session.emit(item)
    else:
        session.out.print(f"[green]✓[/] {item['id']} made; its token, shown this once:")
        session.out.print(item["token"], soft_wrap=True)
