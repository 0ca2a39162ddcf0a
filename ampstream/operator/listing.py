"""Lists, the same for every command: JSON a line, or a table with the number of its rows below it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import click

from ampstream.operator.session import Session
from ampstream.operator.show import plural, table

Item = dict[str, Any]


def limited(default: int, text: str = "At most so many; 0: all.") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the option `--limit`."""
    return click.option("--limit", type=click.IntRange(min=0), default=default, show_default=True, help=text)


async def listed(
    session: Session,
    items: AsyncIterator[Item] | Iterable[Item],
    columns: Sequence[str],
    row: Callable[[Item], Sequence[Any]],
    *nouns: str,
    limit: int = 0,
    told: Callable[[list[Item]], str] | None = None,
) -> None:
    """Show a list as `--json` says: an object a line as they come, or a table.

    `row` returns the cells of an item, `told` what is said of all of them beside their number; `nouns` are what they
    are called: one, and several where that has no s. `limit` is how many were asked for at most.
    """
    found: list[Item] = []
    async for item in _each(items):
        if session.as_json:
            session.emit(item)
        else:
            found.append(item)
    if session.as_json:
        return
    session.out.print(table(columns, map(row, found)))
    words = [plural(len(found), *nouns), *([told(found)] if told else [])]
    if limit and len(found) == limit:
        words.append("more with --limit")
    session.out.print(f"[dim]{', '.join(words)}[/]")


async def _each(items: AsyncIterator[Item] | Iterable[Item]) -> AsyncIterator[Item]:
    if isinstance(items, AsyncIterator):
        async for item in items:
            yield item
        return
    for item in items:
        yield item
