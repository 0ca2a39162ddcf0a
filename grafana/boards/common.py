"""What several dashboards share."""

from typing import Final

from grafana.builder.panels import Panel
from grafana.builder.queries import quantile
from shared.series import AnyFamily

SLOW: Final = "ampstream:ack_slow:ratio_rate"
"""Recording rules: the share of answers that took too long, over the window that follows."""
OURSELVES: Final = "~ampstream-.+"
"""Our own processes among the jobs: redis_exporter is a process, too."""
GREY: Final = "#8e8e8e"
PERCENTILES: Final = (("p50", "green"), ("p95", "yellow"), ("p99", "orange"))


def firing(severity: str) -> str:
    """Return the alerts of a severity that fire."""
    return f'ALERTS{{alertstate="firing",severity="{severity}"}}'


def answered_in_time(width: int = 6) -> Panel:
    """Return the share of answers within the objective."""
    return Panel(
        "Answers within 0.5 s",
        "Share of stations' CALLs answered within 0.5 s over 5 minutes; 99.9 % is the objective. Empty: no traffic.",
        ((f"1 - {SLOW}5m", ""),),
        unit="percentunit",
        kind="stat",
        width=width,
        height=5,
        # 99.95 % must not be shown as 100.
        decimals=2,
        base="red",
        steps=((0.99, "orange"), (0.999, "green")),
        runbooks=("AckLatencyBudgetBurnFast", "AckLatencyBudgetBurnSlow"),
    )


def quantiles(family: AnyFamily, *by: str, **labels: str) -> tuple[tuple[str, str], ...]:
    """Return median, 95th and 99th percentile of a histogram."""
    legend = "".join(f" {{{{{label}}}}}" for label in by)
    return tuple((quantile(share, family, *by, **labels), f"p{share * 100:g}{legend}") for share in (0.5, 0.95, 0.99))
