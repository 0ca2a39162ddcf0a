"""What `ampstream demand` and `ampstream prices` make of what people write, before anything is asked."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ampstream.operator.demand import _limit, _target, demand
from ampstream.operator.prices import _read


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all", "--kw", "3"], "give --end or --minutes"),
        (["--all", "--kw", "3", "--minutes", "5", "--end", "2099-01-01T00:00:00Z"], "give --end or --minutes"),
        (["--kw", "3", "--minutes", "5"], "give one of --site, --station and --filter"),
        (["--site", "a", "--all", "--minutes", "5"], "give one of --site, --station and --filter"),
        (["--filter", "north", "--minutes", "5"], "is no NAME=TEXT"),
    ],
)
def test_an_event_that_is_no_event(arguments: list[str], said: str) -> None:
    """Times and targets that are missing or given twice are told, and nothing is asked of the API."""
    found = CliRunner().invoke(demand, ["add", *arguments, "--token", "t", "--api", "http://127.0.0.1:9"])
    assert (found.exit_code, said in found.output) == (2, True), found.output


def test_words_for_limits_and_targets() -> None:
    """A person reads what an event asks for, and of whom."""
    none: dict[str, Any] = {"percent": None, "amps": None, "kw": None}
    curtail, shed = {"kind": "curtail"}, {"kind": "shed"}
    assert _limit(curtail | {"limit": none | {"kw": 40.0, "amps": 63.0}}) == "63 A and 40 kW"
    assert _limit(shed | {"limit": none | {"amps": [10, 10, 16]}}) == "less by 10/10/16 A"
    assert (_limit(shed | {"limit": None}), _limit(curtail | {"limit": none | {"percent": 30}})) == ("nothing", "30 %")
    nowhere: dict[str, Any] = {"site": None, "circuit": None, "stations": None, "filter": None}
    assert _target(nowhere | {"site": "depot", "circuit": "left"}) == "site depot, circuit left"
    assert _target(nowhere | {"stations": ["A", "B"]}) == "2 stations"
    assert (_target(nowhere | {"filter": {"group": "north"}}), _target(nowhere)) == ("group north", "every station")


def test_files_of_prices(tmp_path: Path) -> None:
    """CSV with or without a byte order mark, and JSON; what is wrong is told with its line."""
    file = tmp_path / "prices"
    file.write_text("﻿start,end,price\n2099-01-01T00:00:00Z, 2099-01-01T01:00:00Z,-0.5\n", encoding="utf-8")
    found = _read(file)["intervals"]
    assert found == [{"start": "2099-01-01T00:00:00Z", "end": "2099-01-01T01:00:00Z", "price": -0.5}]
    file.write_text(' {"intervals": []}')
    assert _read(file) == {"intervals": []}
    for text, said in (
        ("start,price\n", "no column end"),
        ("start,end,price\n2099,2100,cheap\n", "line 2: not start, end and price"),
        ("start,end,price\n2099\n", "line 2"),
        ("{", "prices: "),
    ):
        file.write_text(text)
        with pytest.raises(click.ClickException, match=said):
            _read(file)
