"""`ampstream token`: the first token of the API, where no `ampstream up` made one."""

import asyncio
from pathlib import Path

import click

from ampstream.configured import configured


@click.command()
@click.option(
    "--file",
    "path",
    default=Path("operator.token"),
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the token is written, or read again; mode 0600.",
)
def token(*, path: Path) -> None:
    """Make the first operator's token.

    An admin token, from which the API makes all others. Where the file holds one that is valid, nothing is made. Needs
    AMPSTREAM_REDIS_URL, so whoever may write there.
    """
    from ampstream import operator_token
    from shared.bus.lane import LaneLost

    settings = configured().settings
    try:
        asyncio.run(operator_token.ensure(settings.redis_url.reveal(), path))
    except LaneLost as error:
        raise click.ClickException(f"{error}; `ampstream doctor` looks closer") from None
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from None
    click.echo(f"an admin token is in {path}; commands take it with --token-file or AMPSTREAM_API_TOKEN_FILE")
