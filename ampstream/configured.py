"""Settings from the environment and the command line, with errors written for people."""

import os
from collections.abc import Mapping
from typing import Any

import click

from shared.settings import Loaded, SettingsError, load_with_sources


class BadSettings(click.ClickException):
    """Some `AMPSTREAM_*` or option is wrong; exits with 2 and a line for each."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n       ".join(problems))


def configured(options: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """Return the effective settings; `options` by field name win where they are not None."""
    given = {name: value for name, value in (options or {}).items() if value is not None}
    try:
        return load_with_sources(os.environ if environ is None else environ, given)
    except SettingsError as error:
        raise BadSettings(error.problems) from None
