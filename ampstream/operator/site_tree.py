"""A site as a tree on a terminal: circuits with how full they are, stations with what they may draw and do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.text import Text

BAR: Final = 24
_STYLES: Final = {
    "charging": "green",
    "paused": "yellow",
    "full": "dim",
    "idle": "dim",
    "offline": "red",
    "disobeys": "bold red",
    "unmanaged": "red",
    "unknown": "red",
}


class Tree:
    """Draws the state of a site, as the API gives it."""

    def __init__(self, state: dict[str, Any], *, stations: bool = True) -> None:
        self._circuits: list[dict[str, Any]] = state["circuits"]
        self._connectors: list[dict[str, Any]] = state["connectors"] if stations else []

    def drawn(self) -> Text:
        """Return the whole tree."""
        text = Text()
        for root in (one for one in self._circuits if one["parent"] is None):
            text.append_text(_circuit(root)).append("\n")
            for line in self._below(root["name"], ""):
                text.append_text(line).append("\n")
        text.rstrip()
        return text

    def _below(self, name: str, indent: str) -> Iterator[Text]:
        circuits = [one for one in self._circuits if one["parent"] == name]
        connectors = [one for one in self._connectors if one["circuit"] == name]
        lines = [*((_connector(one), "") for one in connectors), *((_circuit(one), one["name"]) for one in circuits)]
        for number, (line, inner) in enumerate(lines):
            last = number == len(lines) - 1
            yield Text().append(f"{indent}{'└─ ' if last else '├─ '}", style="dim").append_text(line)
            if inner:
                yield from self._below(inner, indent + ("   " if last else "│  "))


def _circuit(one: dict[str, Any]) -> Text:
    used = [a + b for a, b in zip(one["drawn_amps"], one["base_amps"], strict=True)]
    limit_a, limit_kw = one["limit_amps"], one["limit_kw"]
    shares = [a / b for a, b in zip(used, limit_a or [], strict=False) if b]
    whole_kw = one["drawn_kw"] + _kilowatts(one)
    if limit_kw:
        shares.append(whole_kw / limit_kw)
    share = max(shares, default=0.0)
    style = "bold red" if one["over"] else "yellow" if share > 0.95 else "green"
    text = (
        Text()
        .append(one["name"], style="bold")
        .append("  ")
        .append(_bar(share), style=style)
        .append(f" {share:4.0%}  ")
    )
    if limit_a is not None:
        text.append(f"{_phases(used)} of {_phases(limit_a)} A")
    if limit_kw is not None:
        text.append(f"{', ' if limit_a is not None else ''}{whole_kw:.1f} of {limit_kw:g} kW")
    if any(one["allocated_amps"]):
        text.append(f"  given {_phases(one['allocated_amps'])} A", style="dim")
    if any(one["base_amps"]):
        text.append(f"  base {_phases(one['base_amps'])} A ({one['base_source']})", style="dim")
    if one["window"]:
        text.append(f"  limited by {one['window']}", style="magenta")
    if one["over"]:
        text.append("  ABOVE ITS LIMIT", style="bold red")
    return text


def _connector(one: dict[str, Any]) -> Text:
    state = one["state"]
    text = Text(f"{one['station_id']}/{one['connector_id']}  ").append(f"{state:<10}", style=_STYLES.get(state, ""))
    if one["transaction_id"]:
        text.append(f"{max(one['drawn_amps']):>5.1f} of {one['limit_amps']:g} A on {one['phases']}")
        if one["wanted_amps"] != one["limit_amps"]:
            text.append(f", to have {one['wanted_amps']:g} A", style="dim")
        if one["held_by"]:
            text.append(f"  held by {one['held_by']}", style="dim")
        if one["energy_left_kwh"] is not None:
            text.append(f"  {one['energy_left_kwh']:.1f} kWh to go", style="dim")
    elif state == "offline":
        text.append(f"may draw {one['may_draw_amps']:g} A", style="dim")
    if one["detail"]:
        text.append(f"  {one['detail']}", style="dim")
    return text


def _kilowatts(one: dict[str, Any]) -> float:
    """Return the base load in kW, by the voltage that the drawn figures show; 230 V where nothing is drawn."""
    drawn = sum(one["drawn_amps"])
    volts = one["drawn_kw"] * 1000 / drawn if drawn else 230.0
    return float(sum(one["base_amps"]) * volts / 1000)


def _bar(share: float) -> str:
    full = min(round(share * BAR), BAR)
    return "█" * full + "░" * (BAR - full)


def _phases(amps: list[float]) -> str:
    rounded = [round(one, 1) for one in amps]
    if len(set(rounded)) == 1:
        return f"{rounded[0]:g}"
    return "/".join(f"{one:g}" for one in rounded)
