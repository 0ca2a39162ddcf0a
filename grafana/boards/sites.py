"""Sites: who allocates, how full they are, and what their stations are told."""

from typing import Final

from grafana.builder.dashboards import Row
from grafana.builder.panels import Panel
from grafana.builder.queries import fleet, per_minute, quantile
from shared import metrics

SITES: Final = Row(
    "Sites",
    (
        Panel(
            "Sites in trouble",
            "Above a limit: a circuit draws more than it may, by the meters. Overdue: nobody allocates for it.",
            (
                (fleet(metrics.SITES_OVER), "above a limit"),
                (fleet(metrics.SITES_OVERDUE), "overdue"),
                (fleet(metrics.SITES), "all"),
            ),
            colours=(("above a limit", "red"), ("overdue", "orange"), ("all", "blue")),
            runbooks=("SiteAboveLimit", "SiteRoundOverdue"),
        ),
        Panel(
            "Power of sites",
            "At the roots of all sites together, by their last rounds: what they take, and what becomes of it.",
            ((fleet(metrics.SITE_WATTS, "kind"), "{{kind}}"),),
            unit="watt",
            colours=(("limit", "red"), ("base", "yellow"), ("allocated", "blue"), ("drawn", "green")),
            runbooks=("SiteAboveLimit",),
        ),
        Panel(
            "Sites' capacity in use",
            "Drawn and base load together, of what the roots take.",
            ((fleet(metrics.SITES_UTILISATION), "in use"),),
            unit="percentunit",
        ),
        Panel(
            "Rounds of sites",
            "A minute, by result; lost: another worker or a new document came first, failed ones stand in the log.",
            ((per_minute(metrics.SITE_ROUNDS, "result"), "{{result}}"),),
            unit="opm",
            colours=(("ok", "green"), ("lost", "yellow"), ("failed", "red")),
            runbooks=("SiteRoundOverdue",),
        ),
        Panel(
            "Time of a round, p99",
            "Reads, decision and writes; rises with the stations of a site.",
            ((quantile(0.99, metrics.SITE_ROUND_SECONDS), "p99"),),
            unit="s",
        ),
        Panel(
            "Limits sent by sites",
            "A minute, by what for; a rise without more traffic is limits that swing: raise the hysteresis.",
            ((per_minute(metrics.SITE_COMMANDS, "change"), "{{change}}"),),
            unit="opm",
        ),
    ),
)
