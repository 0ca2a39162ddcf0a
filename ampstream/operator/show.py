"""Tables and words for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from rich.markup import escape
from rich.table import Table

COLOURS: Final = {
    **dict.fromkeys(("online", "accepted", "Charging", "open", "Available"), "green"),
    **dict.fromkeys(
        ("offline", "rejected", "Faulted", "blocked", "Unavailable", "invalid", "error", "timed_out", "refused"), "red"
    ),
    **dict.fromkeys(("running", "active", "done"), "green"),
    **dict.fromkeys(("paused", "waiting"), "yellow"),
    **dict.fromkeys(("never_seen", "pending", "none", "closed", "expired", "queued", "cancelled"), "dim"),
}


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> Table:
    """Return a table. A column whose name begins with `#` holds numbers, one with `~` words, which may be folded."""
    found = Table(box=None, header_style="bold", pad_edge=False, title=title or None, title_justify="left")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.startswith("#") else "left"
        words = column.startswith("~")
        found.add_column(column.lstrip("#~"), justify=justify, no_wrap=not words, overflow="fold")
    for row in rows:
        found.add_row(*(cell(value) for value in row))
    return found


def facts(pairs: Iterable[tuple[str, Any]]) -> Table:
    """Return names and values below each other; what has no value is left out."""
    found = Table(box=None, show_header=False, pad_edge=False)
    found.add_column(style="bold")
    found.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", [], {}):
            found.add_row(name, cell(value))
    return found


def cell(value: Any) -> str:
    """Return one value as text with markup; whatever came from a station is only text."""
    if value is None or value == "":
        return "[dim]-[/]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return escape(", ".join(map(str, value))) or "[dim]-[/]"
    if isinstance(value, dict):
        return escape(", ".join(f"{name}={one}" for name, one in value.items())) or "[dim]-[/]"
    text = escape(_printable(str(value)))
    return f"[{COLOURS[value]}]{text}[/]" if value in COLOURS else text


def moment(text: str | None) -> str | None:
    """Return a time of the API in the reader's own zone, to the second."""
    if text is None:
        return None
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def when(text: str | None) -> str | None:
    """Return a time of the API for a list: the time of today, the day of this year, else the date."""
    if text is None:
        return None
    found, now = datetime.fromisoformat(text).astimezone(), datetime.now(UTC).astimezone()
    if found.date() == now.date():
        return found.strftime("%H:%M:%S")
    return found.strftime("%b %d %H:%M" if found.year == now.year else "%Y-%m-%d")


def clock(text: str) -> str:
    """Return a time of the API as time of the day."""
    return datetime.fromisoformat(text).astimezone().strftime("%H:%M:%S")


def span(begin: str, end: str | None) -> str:
    """Return how long something took, or has taken until now."""
    until = datetime.fromisoformat(end) if end else datetime.now(UTC)
    seconds = max(int((until - datetime.fromisoformat(begin)).total_seconds()), 0)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def kwh(wh: int | None) -> str | None:
    """Return an energy in kWh."""
    return None if wh is None else f"{wh / 1000:.3f} kWh"


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def _printable(text: str) -> str:
    """Keep control characters of a station's text off the terminal."""
    return "".join(one if one.isprintable() or one == "\n" else "�" for one in text)
