"""`ampstream certificates`: stations' certificates and roots, the authority, what is revoked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import aiohttp
import click

from ampstream.operator.api import segment
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import facts, moment, table, when

USES: Final = {"central-system": "CentralSystemRootCertificate", "manufacturer": "ManufacturerRootCertificate"}
WAIT_S: Final = 30
EARLY_S: Final = 15
"""What an answer may take beyond the wait that was asked for."""
USE: Final = click.Choice(list(USES))


@click.group()
def certificates() -> None:
    """List and renew stations' certificates, revoke them, and install roots."""


@certificates.command("list")
@click.option("--within-days", type=click.IntRange(0), help="Only those that end so soon, or have ended.")
@limited(100)
@operator
async def list_certificates(session: Session, within_days: int | None, limit: int) -> None:
    """List the certificates that stations dialled in with, those that end soonest first."""
    await listed(
        session,
        session.api.items("/certificates", {"within_days": within_days}, limit),
        ("station", "ends", "serial", "~issuer", ""),
        lambda one: (
            one["station_id"], when(one["not_after"]), one["serial"], one["issuer"],
            "replaced" if one["replaced"] else "",
        ),
        "certificate", limit=limit,
    )  # fmt: skip


@certificates.command()
@click.argument("station_id")
@operator
async def show(session: Session, station_id: str) -> None:
    """Show a station's certificates and the roots that it says it has."""
    item = await session.api.ask("GET", f"/stations/{segment(station_id)}/credentials")
    if session.as_json:
        session.emit(item)
        return
    pairs: list[tuple[str, Any]] = [("station", item["station_id"]), ("name", item["certificate_name"])]
    for title, found in (("certificate", item["certificate"]), ("new one", item["new_certificate"])):
        if found is not None:
            pairs += [
                (title, found["serial"]),
                ("issuer", found["issuer"]),
                ("ends", moment(found["not_after"])),
                ("state", found["state"]),
            ]
    pairs += [("waits since", moment(item["requested_at"])), ("problem", item["problem"])]
    session.out.print(facts(pairs))
    rows = [(one["use"], one["serial_number"], one["issuer_name_hash"]) for one in item["roots"]]
    if rows:
        session.out.print(table(("root", "serial", "name hash"), rows))


@certificates.command()
@click.argument("station_id")
@operator
async def renew(session: Session, station_id: str) -> None:
    """Have a station make a key and ask for a certificate, which the authority signs."""
    item = await session.api.ask("POST", f"/stations/{segment(station_id)}/certificate")
    session.done(f"{station_id} is asked; `ampstream certificates show {station_id}` tells what comes of it", item)


@certificates.command()
@click.option("--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
@operator
async def authority(session: Session, path: Path | None) -> None:
    """Print the built-in authority's root, in PEM."""
    item = await session.api.ask("GET", "/certificate-authority")
    if path is not None:
        path.write_text(item["certificate"], encoding="ascii")
        session.done(f"written to {path}", item)
    elif session.as_json:
        session.emit(item)
    else:
        click.echo(item["certificate"], nl=False)


@certificates.command()
@click.argument("station_id", required=False)
@click.option("--serial", help="Instead of a station's: this one, of --issuer.")
@click.option("--issuer", help="As `ampstream certificates list` shows it.")
@click.option("--reason", default="", help="For people.")
@operator
async def revoke(session: Session, station_id: str | None, **options: str | None) -> None:
    """Let a certificate open no door any more, at once: that of STATION_ID, or one by serial number and issuer."""
    body = {name: value for name, value in {"station_id": station_id, **options}.items() if value}
    item = await session.api.ask("POST", "/revoked-certificates", json=body)
    session.done(f"revoked {item['serial']}", item)


@certificates.command()
@operator
async def revoked(session: Session) -> None:
    """List what was revoked, the newest first."""
    found = await session.api.ask("GET", "/revoked-certificates")
    if session.as_json:
        session.emit(found)
        return
    rows = [
        (one["serial"], one["issuer"], one["station_id"], when(one["revoked_at"]), one["revoked_by"], one["reason"])
        for one in found["items"]
    ]
    session.out.print(table(("serial", "~issuer", "station", "revoked", "by", "~reason"), rows))


@certificates.command()
@click.argument("serial")
@click.argument("issuer")
@operator
async def reinstate(session: Session, serial: str, issuer: str) -> None:
    """Let a revoked certificate count again."""
    await session.api.ask("DELETE", "/revoked-certificates", params={"serial": serial, "issuer": issuer})
    session.done("it counts again")


@certificates.command()
@click.argument("station_id")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--use", type=USE, default="central-system", show_default=True, help="What the station trusts it for.")
@operator
async def install(session: Session, station_id: str, file: Path, use: str) -> None:
    """Install a root certificate, PEM in FILE, on a station; it is then asked what it has."""
    payload = {"certificateType": USES[use], "certificate": file.read_text(encoding="utf-8")}
    await _send(session, station_id, "InstallCertificate", payload)


@certificates.command()
@click.argument("station_id")
@click.option("--use", type=USE, default="central-system", show_default=True, help="Which of them.")
@operator
async def roots(session: Session, station_id: str, use: str) -> None:
    """Ask a station which roots it has; `ampstream certificates show` lists them then."""
    await _send(session, station_id, "GetInstalledCertificateIds", {"certificateType": USES[use]})


@certificates.command()
@click.argument("station_id")
@click.argument("serial")
@operator
async def remove(session: Session, station_id: str, serial: str) -> None:
    """Delete the root with this serial number, as `ampstream certificates show` lists it, from a station."""
    item = await session.api.ask("GET", f"/stations/{segment(station_id)}/credentials")
    found = [one for one in item["roots"] if one["serial_number"].lower() == serial.lower()]
    if not found:
        raise click.ClickException(f"{station_id} says of no such root; ask it with `ampstream certificates roots`")
    data = {
        "hashAlgorithm": found[0]["hash_algorithm"],
        "issuerNameHash": found[0]["issuer_name_hash"],
        "issuerKeyHash": found[0]["issuer_key_hash"],
        "serialNumber": found[0]["serial_number"],
    }
    await _send(session, station_id, "DeleteCertificate", {"certificateHashData": data})


async def _send(session: Session, station_id: str, action: str, payload: dict[str, Any]) -> None:
    path, body = f"/stations/{segment(station_id)}/commands?wait={WAIT_S}s", {"action": action, "payload": payload}
    item = await session.api.ask("POST", path, json=body, timeout=aiohttp.ClientTimeout(total=WAIT_S + EARLY_S))
    session.done(f"{action}: {item['state']}", item)
    if item["state"] in ("rejected", "error", "timed_out"):
        raise click.exceptions.Exit(1)
