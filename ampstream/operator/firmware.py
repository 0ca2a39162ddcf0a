"""`ampstream firmware`: images, and campaigns that bring them to stations."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, get_args

import aiohttp
import click
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ampstream.operator.api import segment
from ampstream.operator.jobs import target
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import cell, facts, moment, plural, when
from shared.records.firmware import OUTCOMES, PLACES, CampaignState, SignedMode

STATES: Final = click.Choice(list(get_args(CampaignState)))
ANY_OUTCOME: Final = click.Choice([*OUTCOMES, *PLACES])
READABLE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
LOOK_S: Final = 1.0
BLOCK: Final = 256 * 1024


@click.group()
def firmware() -> None:
    """Keep images of firmware, and bring them to stations by campaigns."""


@firmware.group()
def images() -> None:
    """List, show, add and delete images."""


@images.command("list")
@operator
async def list_images(session: Session) -> None:
    """List images, the newest first."""
    await listed(
        session,
        session.api.items("/firmware-images", {}, 0),
        ("image", "version", "vendor", "model", "~file", "#size", "ready", "signed", "created"),
        lambda one: (
            one["id"], one["version"], one["vendor"], one["model"], one["file_name"],
            decimal(one["size"]) if one["size"] else None, one["ready"], one["signed"], when(one["created_at"]),
        ),
        "image",
    )  # fmt: skip


@images.command("show")
@click.argument("image_id")
@operator
async def show_image(session: Session, image_id: str) -> None:
    """Show one image."""
    item = await session.api.ask("GET", f"/firmware-images/{segment(image_id)}")
    if session.as_json:
        session.emit(item)
        return
    names = ["id", "version", "vendor", "model", "file_name", "ready", "size", "sha256", "signed", "verified"]
    names += ["location", "note"]
    session.out.print(facts([*((name.replace("_", " "), item[name]) for name in names),
                             ("created", f"{moment(item['created_at'])} by {item['created_by']}")]))  # fmt: skip


@images.command("add")
@click.argument("file", required=False, type=READABLE)
@click.option("--version", required=True, help="As stations name it when they boot.")
@click.option("--vendor", help="Only for stations of this vendor.")
@click.option("--model", help="Only for stations of this model.")
@click.option("--signature", type=READABLE, help="File with the manufacturer's signature: base64, or the bytes.")
@click.option("--certificate", type=READABLE, help="File with the certificate that goes with it (PEM).")
@click.option("--location", help="Where stations fetch it, if not from here.")
@click.option("--name", "file_name", help="What its links end in; else the file's name.")
@click.option("--note", help="For people.")
@operator
async def add_image(
    session: Session, file: Path | None, *, signature: Path | None, certificate: Path | None, **given: Any
) -> None:
    """Upload an image."""
    if (file is None) == (given["location"] is None):
        raise click.UsageError("give a FILE, or --location")
    body = {name: value for name, value in given.items() if value is not None}
    if signature is not None:
        body["signature"] = _base64(signature.read_bytes())
    if certificate is not None:
        body["signing_certificate"] = certificate.read_text(encoding="ascii")
    if file is not None:
        body.setdefault("file_name", file.name)
        body["sha256"] = await asyncio.to_thread(_sha256, file)
    item = await session.api.ask("POST", "/firmware-images", json=body)
    if file is not None:
        try:
            item = await _upload(session, item["id"], file)
        except BaseException:
            await session.api.ask("DELETE", f"/firmware-images/{segment(item['id'])}")
            raise
    session.done(f"image {item['id']}: firmware {item['version']}", item)


@images.command("delete")
@click.argument("image_id")
@operator
async def delete_image(session: Session, image_id: str) -> None:
    """Delete an image that no campaign brings to stations any more."""
    await session.api.ask("DELETE", f"/firmware-images/{segment(image_id)}")
    session.done("deleted")


@firmware.group()
def campaigns() -> None:
    """Make, follow and change campaigns."""


@campaigns.command("list")
@click.option("--state", type=STATES, help="Only these.")
@limited(50)
@operator
async def list_campaigns(session: Session, *, state: str | None, limit: int) -> None:
    """List campaigns, the newest first."""
    await listed(
        session,
        session.api.items("/firmware-campaigns", {"state": state}, limit),
        ("campaign", "created", "~name", "version", "state", "#stations", "#ended", "~outcomes"),
        lambda one: (
            one["id"], when(one["created_at"]), one["name"], one["version"], one["state"], one["total"], one["ended"],
            _counts(one["outcomes"]),
        ),
        "campaign", limit=limit,
    )  # fmt: skip


@campaigns.command("create")
@click.argument("image_id")
@click.option("--stations", metavar="A,B", help="These stations; @FILE: one a line.")
@click.option("--group", help="The stations of this group.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="Stations with this; may be repeated.")
@click.option("--all", "everywhere", is_flag=True, help="Every station that the image fits.")
@click.option("--name", help="What people call it.")
@click.option("--canary", type=click.IntRange(0), help="Stations that go first, alone; 1 unless said.")
@click.option("--canary-failures", type=click.IntRange(0), help="More failed canaries stop it.")
@click.option("--soak", "soak_s", type=click.IntRange(0), help="Seconds between canaries and the first batch.")
@click.option("--batch", type=click.IntRange(1), help="Stations at a time; 10 unless said.")
@click.option("--max-failures", "max_failure_percent", type=click.FloatRange(0, 100), help="Percent that stop it.")
@click.option("--failure-sample", type=click.IntRange(1), help="They count once so many have ended; 5 unless said.")
@click.option("--attempts", type=click.IntRange(1), help="At each station; 2 unless said.")
@click.option("--retry-wait", "retry_wait_s", type=click.IntRange(0), help="Seconds between two attempts.")
@click.option("--timeout", "stage_timeout_s", type=click.IntRange(1), help="Seconds of silence that are a failure.")
@click.option("--boot-timeout", "boot_timeout_s", type=click.IntRange(1), help="Seconds from Installed to the boot.")
@click.option("--jitter", "jitter_s", type=click.IntRange(0), help="Stations fetch up to so many seconds later.")
@click.option("--signed", type=click.Choice(list(get_args(SignedMode))), help="Whether signed updates are sent.")
@click.option("--window", "windows", multiple=True, help="When stations may begin: `mon-fri 22:00-05:00`; repeatable.")
@click.option("--zone", "time_zone", help="Time zone of the windows: Europe/Berlin.")
@click.option("--expires-in", "expires_in_s", type=click.IntRange(1), help="Seconds; nobody begins after that.")
@click.option("--while-charging", is_flag=True, help="Also where a transaction runs.")
@click.option("--paused", is_flag=True, help="Make it, and begin with `resume`.")
@click.option("--wait", is_flag=True, help="Follow it to its end; exit status 1 unless all have the version.")
@operator
async def create_campaign(
    session: Session, image_id: str, *, windows: tuple[str, ...], while_charging: bool, wait: bool, **options: Any
) -> None:
    """Bring an image to stations: canaries first, then batch by batch."""
    stations = target(options)
    if stations is None:
        raise click.UsageError("say which stations: --stations, --group, --filter, --all")
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    body = {"image_id": image_id, **stations, **given, "windows": list(windows), "only_idle": not while_charging}
    item = await session.api.ask("POST", "/firmware-campaigns", json=body)
    if wait:
        await _until_over(session, item["id"])
    elif session.as_json:
        session.emit(item)
    else:
        first = f"{plural(item['canary'], 'canary', 'canaries')} first, then " if item["canary"] else ""
        what = f"firmware {item['version']} for {plural(item['total'], 'station')}, {first}{item['batch']} at a time"
        session.out.print(f"{cell(what)}: {cell(item['state'])}")
        session.out.print(f"[dim]ampstream firmware campaigns show {item['id']} --watch[/]")


@campaigns.command("show")
@click.argument("campaign_id")
@click.option("--watch", is_flag=True, help="Follow it to its end; exit status 1 unless all have the version.")
@operator
async def show_campaign(session: Session, campaign_id: str, *, watch: bool) -> None:
    """Show one campaign and how far it is."""
    if watch:
        await _until_over(session, campaign_id)
        return
    item = await session.api.ask("GET", f"/firmware-campaigns/{segment(campaign_id)}")
    if session.as_json:
        session.emit(item)
        return
    with _bar(session) as progress:
        progress.add_task(_words(item), total=item["total"], completed=item["ended"])
    session.out.print(facts(_facts(item)))


@campaigns.command()
@click.argument("campaign_id")
@click.option("--outcome", type=ANY_OUTCOME, help="Only stations that ended so, or are there.")
@limited(100)
@operator
async def stations(session: Session, campaign_id: str, *, outcome: str | None, limit: int) -> None:
    """List a campaign's stations: what came of each, or how far it is."""
    await listed(
        session,
        session.api.items(f"/firmware-campaigns/{segment(campaign_id)}/stations", {"outcome": outcome}, limit),
        ("station", "outcome", "#attempt", "stage", "said", "~detail", "at"),
        lambda one: (
            one["station_id"], one["outcome"], one["attempt"], one["stage"], one["status"], one["detail"],
            when(one["at"]),
        ),
        "station", limit=limit,
    )  # fmt: skip


def _changing(name: str, text: str, done: str) -> None:
    """Add a command that changes a campaign."""

    @campaigns.command(name, help=text)
    @click.argument("campaign_id")
    @operator
    async def change(session: Session, campaign_id: str) -> None:
        item = await session.api.ask("POST", f"/firmware-campaigns/{segment(campaign_id)}/{name}")
        session.done(f"{done}; {_words(item)}", item)


_changing("pause", "Let no further station begin.", "paused")
_changing("resume", "Let stations begin again, also where it stopped by itself.", "running")
_changing("cancel", "Let no further station begin, for good.", "cancelled")
_changing("retry", "Let the stations that failed begin anew.", "running")


async def _until_over(session: Session, campaign_id: str) -> None:
    """Follow a campaign; ends with status 1 where it stopped, or not all stations have the version."""
    try:
        item = await _follow(session, campaign_id)
    except asyncio.CancelledError:
        session.err.print(f"the campaign goes on: `ampstream firmware campaigns show {campaign_id}`")
        raise
    if session.as_json:
        session.emit(item)
    else:
        session.out.print(f"{_words(item)}: {_counts(item['outcomes'])}  [dim]{item['id']}[/]")
    outcomes = item["outcomes"]
    if outcomes["updated"] + outcomes["current"] != item["total"]:
        raise click.exceptions.Exit(1)


async def _follow(session: Session, campaign_id: str) -> dict[str, Any]:
    with _bar(session, transient=True) as progress:
        bar = progress.add_task("", total=None)
        while True:
            item: dict[str, Any] = await session.api.ask("GET", f"/firmware-campaigns/{segment(campaign_id)}")
            progress.update(bar, total=item["total"], completed=item["ended"], description=_words(item))
            # A stopped one waits for somebody: nothing more comes of itself once nobody is under way.
            if item["ended_at"] is not None or (item["state"] == "stopped" and not item["progress"]["active"]):
                return item
            await asyncio.sleep(LOOK_S)


def _bar(session: Session, *, transient: bool = False) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = session.err if transient else session.out
    return Progress(*columns, console=console, transient=transient, disable=session.as_json)


async def _upload(session: Session, image_id: str, file: Path) -> dict[str, Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    size = file.stat().st_size
    with Progress(*columns, console=session.err, transient=True, disable=session.as_json) as progress:
        bar = progress.add_task(f"uploading {file.name}", total=size)

        async def blocks() -> AsyncIterator[bytes]:
            with file.open("rb") as opened:
                while data := await asyncio.to_thread(opened.read, BLOCK):
                    yield data
                    progress.advance(bar, len(data))

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=300)
        item: dict[str, Any] = await session.api.ask(
            "PUT", f"/firmware-images/{segment(image_id)}/content", data=blocks(), headers=headers, timeout=timeout
        )
        return item


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _base64(data: bytes) -> str:
    """Return a signature as base64; one that is text is that already."""
    import base64

    try:
        text = "".join(data.decode("ascii").split())
        base64.b64decode(text, validate=True)
    except ValueError:
        return base64.b64encode(data).decode()
    return text


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none ended"


def _words(item: dict[str, Any]) -> str:
    where = ", ".join(f"{count} {name}" for name, count in item["progress"].items() if count)
    reason = f" ({item['reason']})" if item["reason"] else ""
    return f"firmware {item['version']}, {item['state']}{reason}" + (f": {where}" if where else "")


def _facts(item: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("campaign", item["id"]),
        ("name", item["name"]),
        ("firmware", f"{item['version']} (image {item['image_id']})"),
        ("stations", "named" if item["filter"] is None else item["filter"] or "every one"),
        ("state", item["state"]),
        ("reason", item["reason"]),
        ("not ended", {name: count for name, count in item["progress"].items() if count}),
        ("ended", {name: count for name, count in item["outcomes"].items() if count}),
        ("canaries", f"{item['canary']}, {item['canary_failures']} may fail" if item["canary"] else "none"),
        ("canaries ended", moment(item["canaries_ended_at"])),
        ("at a time", item["batch"]),
        ("stops", f"above {item['max_failure_percent']:g} % failures of {item['failure_sample']} or more"),
        ("attempts", f"{item['attempts']}, {item['retry_wait_s']} s apart"),
        ("windows", f"{', '.join(item['windows'])} {item['time_zone']}" if item["windows"] else "always"),
        ("signed", item["signed"]),
        ("created", f"{moment(item['created_at'])} by {item['created_by']}"),
        ("changed", f"{moment(item['changed_at'])} by {item['changed_by']}"),
        ("expires", moment(item["expires_at"])),
        ("ended at", moment(item["ended_at"])),
    ]
