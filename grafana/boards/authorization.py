"""Authorization: how stations hold their local lists, and whether the external authorizer answers."""

from typing import Final

from grafana.builder.dashboards import Row
from grafana.builder.panels import Panel
from grafana.builder.queries import fleet, per_minute, quantile, total
from shared import metrics

AUTHORIZATION: Final = Row(
    "Authorization",
    (
        Panel(
            "Stations by their local list",
            "Pending ones that stay are offline or mute; refused and unsupported ones decide by what they know.",
            ((fleet(metrics.STATIONS_LISTED, "state"), "{{state}}"),),
            stacked=True,
            colours=(
                ("in_line", "green"),
                ("pending", "blue"),
                ("partial", "yellow"),
                ("differs", "orange"),
                ("refused", "red"),
                ("unsupported", "purple"),
            ),
        ),
        Panel(
            "Messages of local lists",
            "A minute, by what the station said; and lists that were sent whole again, by why.",
            (
                (per_minute(metrics.LOCAL_LIST_MESSAGES, "result"), "{{result}}"),
                (per_minute(metrics.LOCAL_LIST_REPAIRS, "reason"), "anew: {{reason}}"),
            ),
            unit="opm",
        ),
        Panel(
            "Tags that are kept elsewhere",
            "Decisions a minute by what decided; anything but asked and cached is the fall-back.",
            ((per_minute(metrics.AUTHORIZER_DECISIONS, "source"), "{{source}}"),),
            unit="opm",
            colours=(
                ("asked", "green"),
                ("cached", "blue"),
                ("last_known", "yellow"),
                ("accepted_unasked", "orange"),
                ("refused_unasked", "red"),
            ),
        ),
        Panel(
            "External authorizer",
            "Questions a minute by what came of them, and workers that ask nothing for a while.",
            (
                (per_minute(metrics.AUTHORIZER_REQUESTS, "result"), "{{result}}"),
                (total(metrics.AUTHORIZER_OPEN), "circuits open"),
            ),
            width=12,
        ),
        Panel(
            "Time of the external authorizer, p99",
            "Of answers that came, and frames that wait for one now.",
            (
                (quantile(0.99, metrics.AUTHORIZER_SECONDS), "p99, s"),
                (total(metrics.AUTHORIZER_WAITING), "waiting"),
            ),
            width=12,
        ),
    ),
)
