"""A site as a tree on a terminal."""

from __future__ import annotations

from typing import Any

from ampstream.operator.site_tree import Tree


def _circuit(name: str, parent: str | None, limit: Any, base: float = 0.0, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "parent": parent, "limit_amps": limit, "limit_kw": None, "base_amps": [base] * 3,
        "base_source": "reading", "allocated_amps": [12.0, 0, 0], "may_draw_amps": [12.0, 0, 0],
        "drawn_amps": [12.0, 0, 0], "drawn_kw": 2.76, "over": False, "window": None, **more,
    }  # fmt: skip


def _connector(circuit: str, state: str, **more: Any) -> dict[str, Any]:
    return {
        "station_id": "CP-1", "connector_id": 1, "circuit": circuit, "state": state, "transaction_id": 7, "phases": "R",
        "wanted_amps": 12.0, "limit_amps": 12.0, "may_draw_amps": 12.0, "drawn_amps": [11.8, 0, 0], "held_by": "row",
        "energy_left_kwh": None, "detail": "", **more,
    }  # fmt: skip


def test_a_tree_tells_limits_draws_and_what_is_given() -> None:
    """Each circuit has a bar of its fullest phase, what is drawn with the base load, what is given, and its limit."""
    circuits = [_circuit("main", None, [32.0] * 3, base=10.0), _circuit("row", "main", [12.0, 16.0, 16.0], over=True)]
    tree = Tree({"circuits": circuits, "connectors": [_connector("row", "charging")]})
    assert tree.drawn().plain.splitlines() == [
        "main  ████████████████░░░░░░░░  69%  22/10/10 of 32 A  given 12/0/0 A  base 10 A (reading)",
        "└─ row  ████████████████████████ 100%  12/0/0 of 12/16/16 A  given 12/0/0 A  ABOVE ITS LIMIT",
        "   └─ CP-1/1  charging   11.8 of 12 A on R  held by row",
    ]


def test_only_what_is_said_is_coloured() -> None:
    """A name in bold does not make its whole line bold, nor a branch its line dim."""
    text = Tree({"circuits": [_circuit("main", None, [32.0] * 3)], "connectors": []}).drawn()
    assert text.style == ""
    assert str(text.get_style_at_offset(_console(), text.plain.index("12/0/0"))) == "none"


def _console() -> Any:
    from rich.console import Console

    return Console()
