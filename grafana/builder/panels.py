"""One panel: what it asks, in which unit, from which value on a person should worry, and where to read on."""

from dataclasses import dataclass
from typing import Final, Literal

from . import Json

SOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
Kind = Literal["timeseries", "stat", "gauge", "heatmap", "state-timeline"]
_LAST: Final[Json] = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_QUIET: Final[Json] = {
    "matcher": {"id": "byValue", "options": {"reducer": "allIsZero", "op": "gte", "value": 0}},
    "properties": [{"id": "custom.hideFrom", "value": {"legend": True, "tooltip": True, "viz": False}}],
}
"""Closed label sets start at 0: what never happened needs no place in the legend."""


@dataclass(frozen=True)
class Panel:
    """A panel; `queries` are pairs of expression and legend, `steps` of a value and the colour from there on.

    `colours` pairs names of series with colours, `words` values with what they mean. `beside` puts the legend to the
    right, as a table with each series' largest value: for many series. `log` is for durations, of which the rare slow
    ones would else flatten the others.
    """

    title: str
    description: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 8
    steps: tuple[tuple[float, str], ...] = ()
    base: str = "green"
    stacked: bool = False
    runbooks: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    decimals: int | None = None
    colours: tuple[tuple[str, str], ...] = ()
    words: tuple[tuple[float, str], ...] = ()
    beside: bool = False
    log: bool = False

    def build(self, number: int, x: int, y: int) -> Json:
        """Return the panel at a place of the grid."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": self._defaults(), "overrides": self._overrides()},
            "options": self._options(),
            "links": [_runbook(name) for name in self.runbooks],
            "targets": [self._target(index, *query) for index, query in enumerate(self.queries)],
        }

    def _target(self, index: int, expression: str, legend: str) -> Json:
        instant = self.kind in ("stat", "gauge")
        return {
            "datasource": SOURCE,
            "expr": expression,
            "legendFormat": legend,
            "refId": "ABCDEFGH"[index],
            "format": "heatmap" if self.kind == "heatmap" else "time_series",
            "instant": instant,
            "range": not instant,
        }

    def _defaults(self) -> Json:
        judged = self.kind in ("stat", "gauge", "state-timeline")
        steps: list[Json] = [{"color": self.base, "value": None}]
        steps += [{"color": colour, "value": value} for value, colour in self.steps]
        found: Json = {
            "unit": self.unit,
            "color": {"mode": "thresholds" if judged else "palette-classic"},
            "thresholds": {"mode": "absolute", "steps": steps},
            "custom": self._custom(),
        }
        if self.limits is not None:
            found |= {"min": self.limits[0], "max": self.limits[1]}
        elif self.kind == "timeseries" and not self.log:
            # Nothing here is ever negative, and a stack that does not begin at 0 lies.
            found["min"] = 0
        if self.decimals is not None:
            found["decimals"] = self.decimals
        if self.words:
            found["mappings"] = [
                {"type": "value", "options": {f"{value:g}": {"text": text}}} for value, text in self.words
            ]
        return found

    def _overrides(self) -> list[Json]:
        named: list[Json] = [
            {
                "matcher": {"id": "byName", "options": name},
                "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
            }
            for name, colour in self.colours
        ]
        return [_QUIET, *named] if self.kind == "timeseries" else named

    def _custom(self) -> Json:
        if self.kind == "state-timeline":
            return {"fillOpacity": 80, "lineWidth": 0}
        if self.kind != "timeseries":
            return {}
        return {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 40 if self.stacked else 0,
            # Lone points, as of what is rarely observed, would else not be seen.
            "showPoints": "auto",
            "pointSize": 4,
            "scaleDistribution": {"type": "log", "log": 10} if self.log else {"type": "linear"},
            "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "line" if self.steps else "off"},
        }

    def _options(self) -> Json:
        if self.kind == "stat":
            return {"reduceOptions": _LAST, "colorMode": "background", "graphMode": "none", "textMode": "value"}
        if self.kind == "gauge":
            return {"reduceOptions": _LAST, "showThresholdMarkers": True, "showThresholdLabels": False}
        if self.kind == "heatmap":
            return {"calculate": False, "yAxis": {"unit": self.unit}, "color": {"scheme": "Blues", "mode": "scheme"}}
        if self.kind == "state-timeline":
            return {"legend": {"showLegend": False}, "mergeValues": True, "rowHeight": 0.8, "showValue": "never"}
        return {"legend": self._legend(), "tooltip": {"mode": "multi", "sort": "desc"}}

    def _legend(self) -> Json:
        if self.beside:
            shown = {"displayMode": "table", "placement": "right", "calcs": ["max"], "sortBy": "Max", "sortDesc": True}
            return {**shown, "showLegend": True}
        return {"displayMode": "list", "placement": "bottom", "calcs": [], "showLegend": True}


def _runbook(name: str) -> Json:
    return {"title": f"Runbook: {name}", "url": f"${{runbooks}}/{name}.md", "targetBlank": True}
