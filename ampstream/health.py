"""`ampstream health`: asks a running process how it is; the health check of a container and of people."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Final

import click

from ampstream.configured import configured

TIMEOUT_S: Final = 3.0
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # what a listener may be told


@click.command()
@click.argument("url", required=False)
@click.option("--ready", is_flag=True, help="Whether it serves, not only whether it lives.")
def health(*, url: str | None, ready: bool) -> None:
    """Ask a running process how it is.

    Prints what it says. Exits with 1 where it does not answer or says no. Without a URL the edge or the worker is asked
    that AMPSTREAM_* describe on this machine.
    """
    path = "/readyz" if ready else "/healthz"
    reason = ""
    for base in [url.rstrip("/")] if url else _here():
        if not base.startswith(("http://", "https://")):
            raise click.BadParameter(f"{base!r} does not begin with http:// or https://", param_hint="URL")
        try:
            with urllib.request.urlopen(base + path, timeout=TIMEOUT_S) as answer:  # noqa: S310  # checked above
                click.echo(answer.read(4096).decode("utf-8", "replace"))
                return
        except urllib.error.HTTPError as error:
            raise click.ClickException(f"{base}: {error.read(4096).decode('utf-8', 'replace')}") from None
        except (OSError, ValueError) as error:
            reason = reason or f"{base} does not answer: {getattr(error, 'reason', error)}"
    raise click.ClickException(reason)


def _here() -> list[str]:
    settings = configured().settings
    listeners = ((settings.operator_host, settings.http_port), (settings.worker_host, settings.worker_port))
    return [f"http://{_bracketed(_ANYWHERE.get(host, host))}:{port}" for host, port in listeners]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
