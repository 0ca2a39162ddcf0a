"""`ampstream audit`: who changed what; the log exported, and its chain checked on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, Final

import click
import msgspec

from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import plural, when
from shared.records.audit import Checker, Link, Verdict

SHOWN: Final = 20
_OUTCOMES: Final = click.Choice(["done", "refused", "failed", "unknown"])
_decode = msgspec.json.Decoder(Link).decode


@click.group()
def audit() -> None:
    """Ask, export and verify the log of who changed what."""


@audit.command("list")
@click.option("--who", help="Only by this token or person: name or id.")
@click.option("--action", help="Only this operation, e.g. create_token.")
@click.option("--target", help="Only about this: a station, a job, a token.")
@click.option("--id-tag", help="Only about this id tag.")
@click.option("--outcome", type=_OUTCOMES, help="Only with this outcome.")
@click.option("--from", "from_", metavar="TIME", help="From this time on: ISO-8601 with a zone.")
@click.option("--to", metavar="TIME", help="Up to this time.")
@limited(50)
@operator
async def list_entries(session: Session, *, limit: int, from_: str | None, **filters: str | None) -> None:
    """List what was changed or tried, the newest first."""
    await listed(
        session,
        session.api.items("/audit", {**filters, "from": from_}, limit),
        ("#seq", "when", "who", "from", "what", "~about", "outcome", "status"),
        lambda one: (
            one["seq"], when(one["at"]), one["who"]["name"], one["address"], one["action"], _about(one), one["outcome"],
            one["problem"] or one["status"],
        ),
        "change", limit=limit,
    )  # fmt: skip


@audit.command()
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--from", "from_", metavar="TIME", help="From this time on: ISO-8601 with a zone.")
@click.option("--to", metavar="TIME", help="Up to this time.")
@click.option("--out", type=click.File("wb"), default="-", help="A file; else standard output.")
@operator
async def export(session: Session, kind: str, from_: str | None, to: str | None, out: IO[bytes]) -> None:
    """Write the whole log, the oldest entry first.

    JSONL has the text that was hashed and the hashes, so that `ampstream audit verify --file` can check it later,
    without the system that wrote it.
    """
    params = {name: value for name, value in (("format", kind), ("from", from_), ("to", to)) if value}
    async for chunk in session.api.download("/audit/export", params):
        out.write(chunk)


@audit.command()
@click.option("--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="An export, JSONL.")
@click.option("--expect", multiple=True, metavar="SEQ:HASH", help="A hash that was noted before; may be repeated.")
@operator
async def verify(session: Session, path: Path | None, expect: tuple[str, ...]) -> None:
    """Check the log's chain of hashes on this machine; exit status 1 where it was altered.

    Ends with the last entry's number and hash. Who keeps that elsewhere can give it to a later --expect: a log that was
    rewritten as a whole is sound in itself, but no longer has that hash.
    """
    checker = Checker(dict(map(_noted, expect)))
    if path is not None:
        with path.open("rb") as file:
            checker.feed(map(_link, file))
    else:
        async for line in _lines(session.api.download("/audit/export", {})):
            checker.feed([_link(line)])
    _tell(session, checker.verdict())


def _tell(session: Session, found: Verdict) -> None:
    if session.as_json:
        session.emit({"sound": found.sound, **msgspec.structs.asdict(found)})
    elif found.sound:
        session.done(f"{plural(found.entries, 'entry', 'entries')}, {found.first} to {found.last}, in one chain")
        session.out.print(f"[dim]{found.last}:{found.hash}[/]", soft_wrap=True)
        if found.unknown:
            numbers = ", ".join(map(str, found.unknown[:SHOWN]))
            session.out.print(f"[yellow]{len(found.unknown)} began and did not end: {numbers}[/]")
    else:
        for problem in found.problems[:SHOWN]:
            session.err.print(f"[red]{problem}[/]", soft_wrap=True)
    if not found.sound:
        if not session.as_json:
            raise click.ClickException("the log was altered")
        raise SystemExit(1)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held = b""
    async for chunk in chunks:
        *whole, held = (held + chunk).split(b"\n")
        for line in whole:
            yield line
    if held:
        yield held


def _link(line: bytes) -> Link:
    try:
        return _decode(line)
    except msgspec.MsgspecError as error:
        raise click.ClickException(f"a line is no entry of an export: {error}") from None


def _noted(text: str) -> tuple[int, str]:
    seq, colon, digest = text.partition(":")
    if not colon or not seq.isdecimal():
        raise click.UsageError(f"--expect {text}: write the number and the hash that `verify` ended with, 12:ab34...")
    return int(seq), digest


def _about(one: dict[str, Any]) -> str:
    words = [*one["target"].values(), *([one["result"]] if one["result"] else [])]
    return " ".join(words)
