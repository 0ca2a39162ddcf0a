"""`Settings` -> what people and the docs see; secrets are masked on every way out."""

from collections.abc import Iterator
from typing import Any

import msgspec

from shared.settings.load import FIELDS, Field, Loaded
from shared.settings.secret import Secret


class Row(msgspec.Struct, frozen=True):
    """One setting as shown."""

    variable: str
    value: str
    source: str
    unit: str
    group: str
    text: str


def rows(loaded: Loaded) -> Iterator[Row]:
    """Yield every setting in the order of its declaration."""
    for field in FIELDS.values():
        value = shown(getattr(loaded.settings, field.name))
        yield Row(field.variable, value, loaded.sources[field.name], field.unit, field.group, field.text)


def shown(value: Any) -> str:
    """Return a value as it would be written into its variable, or masked."""
    if isinstance(value, Secret):
        return value.masked()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def as_json(loaded: Loaded) -> bytes:
    """Return a JSON object of variable -> value (typed, masked) and source."""
    report = {
        field.variable: {"value": _plain(getattr(loaded.settings, name)), "source": loaded.sources[name]}
        for name, field in FIELDS.items()
    }
    return msgspec.json.format(msgspec.json.encode(report), indent=2)


def _plain(value: Any) -> Any:
    return value.masked() if isinstance(value, Secret) else value


def markdown() -> str:
    """Return `docs/settings.md`: every setting with its default, bounds and meaning."""
    lines = [
        "# Settings",
        "",
        "Generated from `shared/settings/model.py`. Ampstream reads them from the environment, once, at start.",
        "An unknown `AMPSTREAM_*` or a bad value is an error that names it. A URL with a password may also come from",
        "a file: `AMPSTREAM_REDIS_URL_FILE=/path`. `ampstream settings` prints the effective values.",
    ]
    group = ""
    for field in FIELDS.values():
        if field.group != group:
            group = field.group
            lines += ["", f"## {group}", "", "| variable | default | value | meaning |", "|---|---|---|---|"]
        lines.append(_markdown_row(field))
    return "\n".join(lines) + "\n"


def _markdown_row(field: Field) -> str:
    default = f"`{shown(field.default)}`" if shown(field.default) else "(empty)"
    unit = f" {field.unit}" if field.unit else ""
    return f"| `{field.variable}` | {default}{unit} | {field.expectation} | {field.text} |"
