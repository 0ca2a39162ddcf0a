"""A dashboard: rows of panels, the variables that narrow them, when processes started, and the way to the others."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared import metrics

from . import Json
from .panels import SOURCE, Panel
from .queries import foreign

COLUMNS: Final = 24
SCHEMA: Final = 39
TAG: Final = "ampstream"


@dataclass(frozen=True)
class Row:
    """Panels under a heading; they wrap at the edge of the grid."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Dashboard:
    """A dashboard; `home` is the metric whose jobs and instances one may choose from."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    home: str = metrics.BUILD_INFO.name

    def build(self) -> Json:
        """Return Grafana's classic JSON."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "timezone": "browser",
            "time": {"from": "now-1h", "to": "now"},
            "links": _links(),
            "annotations": {"list": [_starts()]},
            "templating": {"list": self._variables()},
            "panels": list(self._panels()),
        }

    def _panels(self) -> Iterator[Json]:
        number, y = 0, 0
        for row in self.rows:
            number += 1
            place: Json = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
            yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
            y, x, height = y + 1, 0, 0
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    y, x, height = y + height, 0, 0
                number += 1
                yield panel.build(number, x, y)
                x, height = x + panel.width, max(height, panel.height)
            y += height

    def _variables(self) -> list[Json]:
        return [
            {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source", "refresh": 1},
            _choice("job", f"label_values({self.home}, job)"),
            _choice("instance", f'label_values({self.home}{{job=~"$job"}}, instance)'),
            {
                "name": "runbooks",
                "type": "textbox",
                "label": "Runbooks at",
                "query": "/public/runbooks",
                "current": {"text": "/public/runbooks", "value": "/public/runbooks"},
            },
        ]


def _choice(name: str, query: str) -> Json:
    return {
        "name": name,
        "type": "query",
        "label": name.capitalize(),
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
        "refresh": 2,
        "sort": 1,
    }


def _starts() -> Json:
    expression = f"changes({foreign('process_start_time_seconds')}[$__rate_interval]) > 0"
    return {
        "name": "Deploys",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "blue",
        "expr": expression,
        "titleFormat": "{{job}} {{instance}} started anew",
    }


def _links() -> list[Json]:
    return [
        {"type": "dashboards", "tags": [TAG], "title": "Ampstream", "includeVars": False, "keepTime": True},
        {"type": "link", "title": "Runbooks", "url": "${runbooks}/README.md", "icon": "doc", "targetBlank": True},
    ]
