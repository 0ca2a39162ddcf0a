"""`ampstream settings`: the effective configuration, secrets masked."""

import click

from ampstream.configured import configured
from shared.settings import Loaded, show

_WIDE = 120
"""Columns from which there is room for the meanings."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", is_flag=True, help="Print the page for the docs: defaults, bounds and meanings.")
@click.option("--changed", is_flag=True, help="Only what is not at its default.")
def settings(*, as_json: bool, markdown: bool, changed: bool) -> None:
    """Print the effective settings.

    With where each value came from: its default, the environment, or a file named by AMPSTREAM_X_FILE. Secrets are
    masked. An unknown AMPSTREAM_* or a bad value is an error that names it.
    """
    if markdown:
        click.echo(show.markdown(), nl=False)
        return
    loaded = configured()
    if as_json:
        click.echo(show.as_json(loaded))
    else:
        _print_table(loaded, changed=changed)


def _print_table(loaded: Loaded, *, changed: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    with_meaning = console.width >= _WIDE
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("variable", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", no_wrap=True)
    if with_meaning:
        table.add_column("meaning", style="dim")
    for row in show.rows(loaded):
        if changed and row.source == "default":
            continue
        value = f"{row.value or '(empty)'}{' ' + row.unit if row.unit else ''}"
        style = "" if row.source == "default" else "green"
        table.add_row(row.variable, value, row.source, *([row.text] if with_meaning else []), style=style)
    console.print(table, highlight=False)
