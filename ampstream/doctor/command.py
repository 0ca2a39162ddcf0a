"""`ampstream doctor`: runs every check, prints what it found, and can derive the indexes anew."""

import asyncio
from pathlib import Path
from typing import Final

import click
import msgspec

from ampstream.configured import configured
from ampstream.doctor import host_checks, redis_checks
from ampstream.doctor.finding import Finding
from shared.settings import Settings

_MARKS: Final = {"ok": ("green", "ok"), "warn": ("yellow", "warn"), "fail": ("red bold", "FAIL")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--data",
    default=Path("data"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where an embedded Valkey writes; its disk is measured.",
)
@click.option("--rebuild", is_flag=True, help="Derive the fleet-wide indexes and counters anew from the stations.")
def doctor(*, as_json: bool, data: Path, rebuild: bool) -> None:
    """Check Redis and this machine, and say how to mend them.

    Looks at Redis (version, features, durability, eviction, notifications, memory, clock), at descriptors, ports, disk
    and libraries. Exits with 1 when something is so wrong that Ampstream would not serve.
    """
    settings = configured().settings
    findings = [*redis_checks.check(settings), *host_checks.check(settings, data)]
    failed = any(finding.level == "fail" for finding in findings)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings), indent=2))
    else:
        _print(findings)
    if rebuild:
        _rebuild(settings, findings)
    raise SystemExit(1 if failed else 0)


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        color, mark = _MARKS[finding.level]
        console.print(Text.assemble((mark.ljust(5), color), finding.subject.ljust(width + 2), finding.found))
        if finding.mend:
            console.print(Text.assemble(" " * (width + 7), ("mend: ", "bold"), finding.mend))
    worst = [finding.subject for finding in findings if finding.level == "fail"]
    console.print(f"\nAmpstream would not serve: {', '.join(worst)}." if worst else "\nAll that matters is well.")


def _rebuild(settings: Settings, findings: list[Finding]) -> None:
    if findings[0].level == "fail":
        raise click.ClickException("nothing was rebuilt: Redis does not answer")
    from workers.jobs.rebuild import rebuild

    asyncio.run(_note(settings))
    click.echo(asyncio.run(rebuild(settings)))


async def _note(settings: Settings) -> None:
    """Write into the audit log that the indexes are derived anew."""
    from ampstream.operator_token import local_user
    from shared.bus.lane import Lane
    from shared.records.audit import Entry
    from shared.records.queries.audit import AuditLog

    lane = await Lane.open(settings.redis_url.reveal(), name="doctor")
    try:
        entry = Entry(seq=0, at=0, phase="noted", action="rebuild_indexes", who=local_user())
        await AuditLog(lane).append(entry)
    finally:
        await lane.close()
