"""What every operator's command shares: options, where the token comes from, how results are shown."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, ParamSpec

import click
import msgspec
from rich.console import Console

from ampstream.operator import logins
from ampstream.operator.api import Api

DEFAULT_URL: Final = "http://127.0.0.1:8080"
WIDE: Final = 250
TOKEN_FILE: Final = Path("data/operator.token")
_TOKEN_GIVEN: Final = frozenset({"AMPSTREAM_API_TOKEN", "AMPSTREAM_API_TOKEN_FILE"})
P = ParamSpec("P")


class Session:
    """One call of a command: the API, and where its results go."""

    def __init__(self, api: Api, *, as_json: bool) -> None:
        self.api = api
        self.as_json = as_json
        # A pipe has no width of its own: nothing is folded there.
        piped = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE
        self.out = Console(highlight=False, width=piped)
        self.err = Console(stderr=True, highlight=False)

    def emit(self, item: Any) -> None:
        """Print one JSON object on a line."""
        click.echo(msgspec.json.encode(item))

    def done(self, text: str, item: Any = None) -> None:
        """Say that something was done: in words, or as JSON."""
        if self.as_json:
            self.emit({"done": text} if item is None else item)
        else:
            self.out.print(f"[green]✓[/] {text}")


def operator(command: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Turn a coroutine that takes a session into a command function, with the options that all have."""

    @click.option("--api", "url", metavar="URL", help=f"Where the API is; AMPSTREAM_API_URL, else {DEFAULT_URL}.")
    @click.option("--token", help="The token; better in AMPSTREAM_API_TOKEN or a file.")
    @click.option("--token-file", type=click.Path(path_type=Path), help=f"Its file; else ./{TOKEN_FILE}.")
    @click.option("--json", "as_json", is_flag=True, help="JSON for scripts: one object a line.")
    @functools.wraps(command)
    def run(
        *args: Any, url: str | None, token: str | None, token_file: Path | None, as_json: bool, **options: Any
    ) -> None:
        where = api_url(url)

        async def whole() -> None:
            text = "" if token or token_file or _TOKEN_GIVEN & os.environ.keys() else await logins.token_for(where)
            api = Api(where, *((text, "`ampstream login`") if text else find_token(token, token_file)))
            try:
                await command(Session(api, as_json=as_json), *args, **options)
            finally:
                await api.close()

        asyncio.run(whole())

    # Click keeps the lines as they are of a paragraph that begins with this character; docstrings hold none.
    run.__doc__ = (command.__doc__ or "").replace(r"\b", "\b")
    return run


def api_url(url: str | None) -> str:
    """Return where the API is: as given, by the environment, or on this machine."""
    return url or os.environ.get("AMPSTREAM_API_URL") or DEFAULT_URL


def find_token(token: str | None, token_file: Path | None) -> tuple[str, str]:
    """Return the token and where it is from; raises `click.UsageError` that says where it was looked for."""
    if token:
        return token, "--token"
    if token_file is None and (given := os.environ.get("AMPSTREAM_API_TOKEN")):
        return given, "AMPSTREAM_API_TOKEN"
    named = token_file or os.environ.get("AMPSTREAM_API_TOKEN_FILE")
    path = Path(named or TOKEN_FILE)
    try:
        return path.read_text(encoding="ascii").strip(), str(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        if named:
            raise click.UsageError(f"cannot read the token in {path}: {reason}") from None
    raise click.UsageError(
        f"no token: give --token-file, AMPSTREAM_API_TOKEN or AMPSTREAM_API_TOKEN_FILE, or run this where "
        f"./{TOKEN_FILE} is (`ampstream up` writes it)"
    )


def until_interrupted(command: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
    """Let Ctrl-C end a command that would run for ever as if it had come to its end."""

    @functools.wraps(command)
    async def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await command(*args, **kwargs)

    return run
