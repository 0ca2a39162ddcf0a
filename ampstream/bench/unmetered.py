"""`python -m ampstream.bench.unmetered edge|worker ...`: the command line with metrics that count nothing.

The benchmark compares with it what counting costs. No setting does this: the processes of production always count.
"""

from __future__ import annotations

from typing import Any

from shared import series


def _nothing(_series: Any, _value: float = 1) -> None:
    return


def silence() -> None:
    """Let every counter, gauge and histogram of this process ignore what it is told."""
    for kind, methods in (
        (series.Counter, ("inc",)),
        (series.Gauge, ("inc", "dec", "set")),
        (series.Histogram, ("observe",)),
    ):
        for name in methods:
            setattr(kind, name, _nothing)


if __name__ == "__main__":
    silence()
    from ampstream.cli import main

    main()
