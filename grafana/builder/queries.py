"""PromQL from declared families: `rate(metrics.EDGE_CONNECTS, "result")`.

Every selector carries `$job` and `$instance`. A label's value that begins with `~` is a regular expression.
"""

from typing import Final

from shared.series import AnyFamily

WINDOW: Final = "$__rate_interval"
OURS: Final = 'job=~"$job",instance=~"$instance"'


def select(family: AnyFamily, part: str = "", /, **labels: str) -> str:
    """Return a selector; `part` is `bucket`, `count` or `sum` of a histogram; ValueError for what is not declared."""
    if (family.kind == "histogram") != bool(part):
        raise ValueError(f"{family.name} is a {family.kind}")
    matchers = [OURS, *(_matcher(family, label, value) for label, value in labels.items())]
    return f"{family.name}{'_' * bool(part)}{part}{{{','.join(matchers)}}}"


def _matcher(family: AnyFamily, label: str, value: str) -> str:
    if label not in family.label_sets:
        raise ValueError(f"{family.name} has no label {label}")
    known = family.label_sets[label]
    if isinstance(known, tuple) and not value.startswith("~") and value not in known:
        raise ValueError(f"{family.name}: {label} is never {value}")
    return _compare(label, value)


def _compare(label: str, value: str) -> str:
    return f'{label}=~"{value[1:]}"' if value.startswith("~") else f'{label}="{value}"'


def rate(family: AnyFamily, *by: str, **labels: str) -> str:
    """Return increments a second, summed by labels; of a histogram how many were observed."""
    part = "count" if family.kind == "histogram" else ""
    return f"{_sum(family, by)} (rate({select(family, part, **labels)}[{WINDOW}]))"


def per_minute(family: AnyFamily, *by: str, **labels: str) -> str:
    """Return increments a minute, summed by labels: for what is rare."""
    return f"60 * {rate(family, *by, **labels)}"


def total(family: AnyFamily, *by: str, **labels: str) -> str:
    """Return a gauge that each process has of its own, summed by labels."""
    return f"{_sum(family, by)} ({select(family, **labels)})"


def fleet(family: AnyFamily, *by: str, **labels: str) -> str:
    """Return a gauge that every worker has alike: never their sum, but the largest of each series, summed by labels."""
    whole = f" by ({', '.join(family.label_sets)})" if family.label_sets else ""
    largest = f"max{whole} ({select(family, **labels)})"
    return largest if set(by) == set(family.label_sets) else f"{_sum(family, by)} ({largest})"


def quantile(share: float, family: AnyFamily, *by: str, **labels: str) -> str:
    """Return the value below which this share of observations lies; a series with no observation is left out."""
    rates = f"rate({select(family, 'bucket', **labels)}[{WINDOW}])"
    _sum(family, by)
    # Without observations it is NaN, of which no comparison is true.
    return f"histogram_quantile({share}, sum by ({', '.join(('le', *by))}) ({rates})) >= 0"


def buckets(family: AnyFamily) -> str:
    """Return how many observations fell into each bucket, for a heat map."""
    return f"sum by (le) (increase({select(family, 'bucket')}[{WINDOW}]))"


def mean(family: AnyFamily, *by: str) -> str:
    """Return the mean of observations."""
    sums = f"{_sum(family, by)} (rate({select(family, 'sum')}[{WINDOW}]))"
    return f"{sums} / ({rate(family, *by)} > 0)"


def foreign(name: str, **labels: str) -> str:
    """Return a selector of a metric that is not ours (redis_exporter's, the process's own, Prometheus's)."""
    matchers = ",".join([OURS, *(_compare(label, value) for label, value in labels.items())])
    return f"{name}{{{matchers}}}"


def foreign_rate(name: str, *by: str, **labels: str) -> str:
    """Return increments a second of a counter that is not ours, summed by labels."""
    return f"sum by ({', '.join(by)}) (rate({foreign(name, **labels)}[{WINDOW}]))"


def _sum(family: AnyFamily, by: tuple[str, ...]) -> str:
    unknown = set(by) - set(family.label_sets) - {"job", "instance"}
    if unknown:
        raise ValueError(f"{family.name} has no label {', '.join(sorted(unknown))}")
    return f"sum by ({', '.join(by)})" if by else "sum"
