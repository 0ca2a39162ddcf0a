"""What is asked of Prometheus: every query of dashboards and rules, and every selector of alerts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.grafana import reading

WINDOW: Final = "4s"
"""`$__rate_interval` at a scrape a second: Grafana takes four of them."""
_VARIABLE: Final = re.compile(r"label_values\((.+), (\w+)\)")
EMPTY_IN_HEALTH: Final = {
    "Fleet: What fires, where, since when": "nothing fires",
}
"""Questions that a healthy system answers with nothing, and why that is right; asked again after the faults."""

EMPTY: Final = {
    "Commands & Charging: Time of the external authorizer, p99": "all tags are kept here",
}
"""Questions that nothing here can answer, and why."""


STILL: Final = {
    "ampstream_authorizer_circuit_open": "all tags are kept here",
    "ampstream_authorizer_decisions_total": "all tags are kept here",
    "ampstream_authorizer_requests_total": "all tags are kept here",
    "ampstream_authorizer_seconds": "all tags are kept here",
    "ampstream_authorizer_waiting": "all tags are kept here",
    "ampstream_certificates_expiring": "those that are made last a year",
    "ampstream_edge_draining": "no edge is ended in order",
    "ampstream_edge_send_queue_frames": "stations read what they are sent",
    "ampstream_files_expired_total": "no file is so old",
    "ampstream_security_alarms_total": "edges count operators who guess often; workers, what stations report",
    "ampstream_sites_over_limit": "stations keep to what they are told",
    "ampstream_sites_overdue": "some worker always allocates",
    "ampstream_stream_deleted_pending_total": "must stay 0",
    "ampstream_stream_lag_seconds": "workers keep up, where the machine has nothing else to do",
    "ampstream_transactions_stuck": "takes a quarter of an hour",
    "ampstream_worker_fenced_total": "no worker that was given up comes back: that is F6's test",
    "ampstream_worker_queue_jobs": "jobs are short, and start at once",
}
"""Metrics that may show nothing but 0 in a whole run, and why that is right."""


class Question(NamedTuple):
    """A query, and who asks it."""

    asker: str
    expression: str
    at_once: bool = False
    """Asked for the present moment only (stat, gauge), not for a time span."""


def _filled(expression: str) -> str:
    """Put values for a dashboard's variables."""
    return expression.replace("$__rate_interval", WINDOW).replace("$job", ".+").replace("$instance", ".+")


def of_dashboards() -> Iterator[Question]:
    """Yield the queries of every panel, and those of annotations."""
    for board in reading.dashboards().values():
        name = board["title"].removeprefix("Ampstream: ")
        for panel in reading.panels(board):
            for target in panel["targets"]:
                yield Question(f"{name}: {panel['title']}", _filled(target["expr"]), bool(target["instant"]))


def of_annotations() -> Iterator[Question]:
    """Yield what marks deploys, without its comparison: nothing starts anew in health."""
    for board in reading.dashboards().values():
        for annotation in board["annotations"]["list"]:
            selector = next(reading.selectors(_filled(annotation["expr"])))
            yield Question(f"{board['title']}: annotation {annotation['name']}", selector.prettify())


def of_variables() -> Iterator[tuple[str, str, str]]:
    """Yield asker, selector and label of every variable that dashboards offer."""
    for board in reading.dashboards().values():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                match = _VARIABLE.fullmatch(variable["query"]["query"])
                assert match, variable["query"]
                yield f"{board['title']}: ${variable['name']}", _filled(match[1]), match[2]


def of_recordings() -> Iterator[Question]:
    """Yield the name of everything recorded."""
    for name in sorted(reading.recorded()):
        yield Question(f"recording rule {name}", name)


def of_alerts() -> Iterator[Question]:
    """Yield every selector of every alert, as a series that must exist."""
    for name, alert in reading.alerts().items():
        for text in dict.fromkeys(each.prettify() for each in reading.selectors(alert["expr"])):
            yield Question(f"alert {name}", text)
