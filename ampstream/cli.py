"""The `ampstream` command: sub-commands by name, each imported only when it is called.

`ampstream --help` imports nothing but click, so it answers in a tenth of a second. A new command is one line in
`COMMANDS`; a test compares its text with the command's own.
"""

import importlib
import importlib.metadata
from typing import Any, Final, NamedTuple

import click


class Lazy(NamedTuple):
    """Where a command is, and what the overview says of it."""

    section: str
    source: str
    text: str


_RUN, _SERVE, _OPERATE, _MEASURE = "Try it", "Run it", "Operate it", "Load it"

COMMANDS: Final[dict[str, Lazy]] = {
    "up": Lazy(_RUN, "ampstream.up.command:up", "Run everything on this machine, with charging stations."),
    "edge": Lazy(_SERVE, "ampstream.serve:edge", "Serve stations and operators."),
    "worker": Lazy(_SERVE, "ampstream.serve:worker", "Decide what stations report."),
    "settings": Lazy(_SERVE, "ampstream.settings_command:settings", "Print the effective settings."),
    "doctor": Lazy(
        _SERVE, "ampstream.doctor.command:doctor", "Check Redis and this machine, and say how to mend them."
    ),
    "health": Lazy(_SERVE, "ampstream.health:health", "Ask a running process how it is."),
    "token": Lazy(_SERVE, "ampstream.token_command:token", "Make the first operator's token."),
    "stations": Lazy(
        _OPERATE, "ampstream.operator.stations:stations", "List, show, create, change and delete stations."
    ),
    "send": Lazy(_OPERATE, "ampstream.operator.commands:send", "Send a command to a station, or to many."),
    "commands": Lazy(_OPERATE, "ampstream.operator.commands:commands", "List, show and cancel commands to stations."),
    "jobs": Lazy(_OPERATE, "ampstream.operator.jobs:jobs", "Show, pause, resume and cancel jobs over many stations."),
    "reservations": Lazy(
        _OPERATE, "ampstream.operator.reservations:reservations", "Make, list, show and cancel reservations."
    ),
    "transactions": Lazy(
        _OPERATE, "ampstream.operator.transactions:transactions", "List, show and close transactions."
    ),
    "limits": Lazy(_OPERATE, "ampstream.operator.limits:limits", "Say what stations may draw, and see what they do."),
    "probe": Lazy(_OPERATE, "ampstream.operator.probe:probe", "Try what a station's smart charging really does."),
    "profiles": Lazy(
        _OPERATE, "ampstream.operator.profiles:profiles", "List, show, write and delete charging profiles."
    ),
    "site": Lazy(
        _OPERATE,
        "ampstream.operator.sites:site",
        "Share a site's capacity among its stations.",
    ),
    "demand": Lazy(
        _OPERATE,
        "ampstream.operator.demand:demand",
        "Have less drawn for a while; see who complied.",
    ),
    "prices": Lazy(_OPERATE, "ampstream.operator.prices:prices", "Show and write what energy costs by interval."),
    "tags": Lazy(_OPERATE, "ampstream.operator.tags:tags", "List, show, change and import id tags."),
    "keys": Lazy(
        _OPERATE,
        "ampstream.operator.keys:keys",
        "Rotate stations' keys, and say how securely groups must connect.",
    ),
    "certificates": Lazy(
        _OPERATE,
        "ampstream.operator.certificates:certificates",
        "List and renew stations' certificates, revoke them, and install roots.",
    ),
    "local-lists": Lazy(
        _OPERATE,
        "ampstream.operator.local_lists:local_lists",
        "Say who decides about tags where; see local lists.",
    ),
    "config": Lazy(_OPERATE, "ampstream.operator.config:config", "Show, read and compare stations' configurations."),
    "drifts": Lazy(_OPERATE, "ampstream.operator.drifts:drifts", "List and acknowledge changes of configurations."),
    "models": Lazy(_OPERATE, "ampstream.operator.models:models", "List and show what models can do; overrule it."),
    "templates": Lazy(
        _OPERATE, "ampstream.operator.templates:templates", "Say how stations are to be configured, and see which are."
    ),
    "firmware": Lazy(
        _OPERATE,
        "ampstream.operator.firmware:firmware",
        "Keep images of firmware, and bring them to stations by campaigns.",
    ),
    "diagnostics": Lazy(
        _OPERATE,
        "ampstream.operator.files:diagnostics",
        "Ask a station for its diagnostics, wait for them, and download them.",
    ),
    "files": Lazy(
        _OPERATE, "ampstream.operator.files:files", "List, download and delete files: diagnostics, logs, firmware."
    ),
    "quarantine": Lazy(_OPERATE, "ampstream.operator.quarantine:quarantine", "Look after frames nobody understood."),
    "tokens": Lazy(_OPERATE, "ampstream.operator.tokens:tokens", "Make, list, rotate and revoke the API's tokens."),
    "login": Lazy(_OPERATE, "ampstream.operator.login:login", "Log in as a person, by the issuer's page."),
    "logout": Lazy(_OPERATE, "ampstream.operator.login:logout", "Forget the login at an API."),
    "audit": Lazy(_OPERATE, "ampstream.operator.audit:audit", "Ask, export and verify the log of who changed what."),
    "security-events": Lazy(
        _OPERATE,
        "ampstream.operator.security_events:security_events",
        "List what stations and Ampstream noticed of attacks.",
    ),
    "events": Lazy(_OPERATE, "ampstream.operator.events:events", "Print the live event feed."),
    "tail": Lazy(_OPERATE, "ampstream.operator.events:tail", "Follow one station, in plain words."),
    "simulate": Lazy(_MEASURE, "ampstream.simulate.command:simulate", "Dial in as a fleet of charging stations."),
    "bench": Lazy(_MEASURE, "ampstream.bench.command:bench", "Measure a system that is started for it."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the overview."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None."""
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        module, attribute = lazy.source.split(":")
        found: Any = getattr(importlib.import_module(module), attribute)
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a name that is nearly one gets a hint."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1, cutoff=0.6)
            ctx.fail(f"No such command '{args[0]}'." + (f" Did you mean '{near[0]}'?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview by section, from the table alone."""
        width = max(map(len, COMMANDS))
        for section in dict.fromkeys(lazy.section for lazy in COMMANDS.values()):
            rows = [
                (click.style(name.ljust(width), fg="cyan"), lazy.text)
                for name, lazy in COMMANDS.items()
                if lazy.section == section
            ]
            with formatter.section(click.style(section, bold=True)):
                formatter.write_dl(rows)


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"ampstream {importlib.metadata.version('ampstream')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings come from AMPSTREAM_* variables; `ampstream settings` lists them.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it.")
def main() -> None:
    """Ampstream: charging stations dial in over OCPP, and nothing they report can be lost."""
