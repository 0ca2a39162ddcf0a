"""Counters, gauges and histograms cheap enough for every frame, and their Prometheus text.

A frame passes half a dozen of these. `prometheus_client` takes 0.8 µs for an observation and 0.4 µs for an increment,
because it locks; here they cost 0.15 and 0.07 µs (measured on Python 3.11), because only the process's own event loop
writes. Another thread may read (`render`): it sees each list or number as it was at one moment.

Families are declared once (see `shared.metrics`); `family.labels(...)` returns the child to keep, `inc`, `set` or
`observe` on it is the hot path. A label value outside its declared set is counted as `other`, or raises where
`STRICT` is set, as the tests do: what a peer sends can never make a new series.
"""

import itertools
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, Generic, Protocol, TypeVar

STRICT = False
"""Raise on an undeclared label value instead of counting it as `other`."""
OTHER: Final = "other"
OPEN: Final[Collection[str] | None] = None
"""A label whose values the code itself bounds (a stream, a route); a peer never chooses one."""

PREFIX: Final = "ampstream_"
DURATION_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; 0.5 is the objective for answers and so an edge."""


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def inc(self, amount: float = 1) -> None:
        """Add `amount`, which is not negative."""
        self.value += amount

    def reset(self) -> None:
        """Begin again at 0."""
        self.value = 0


class Gauge:
    """A number that goes up and down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def set(self, value: float) -> None:
        """Replace the value."""
        self.value = value

    def inc(self, amount: float = 1) -> None:
        """Add `amount`."""
        self.value += amount

    def dec(self, amount: float = 1) -> None:
        """Take `amount` away."""
        self.value -= amount

    def reset(self) -> None:
        """Begin again at 0."""
        self.value = 0


class Histogram:
    """Counts of values by bucket, and their sum."""

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.total: float = 0.0

    def observe(self, value: float) -> None:
        """Count one value; a bucket's edge belongs to it."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value

    def reset(self) -> None:
        """Forget every value."""
        self.counts[:] = [0] * len(self.counts)
        self.total = 0.0

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self.counts)


Child = TypeVar("Child", Counter, Gauge, Histogram)
Labels = dict[str, Collection[str] | None]
"""Label -> its values: a tuple is closed and starts at 0, a set may still grow, `OPEN` is bounded by the code."""


class AnyFamily(Protocol):
    """What a registry knows of a family."""

    name: str
    kind: str
    text: str
    label_sets: Labels

    def render(self) -> Iterator[str]:
        """Yield the exposition's lines."""
        ...

    def reset(self) -> None:
        """Set every child to 0; for tests."""
        ...


class Family(Generic[Child]):
    """One metric: its children by label values. Made by a `Registry`."""

    def __init__(self, kind: str, name: str, text: str, labels: Labels, make: Callable[[], Child]) -> None:
        self.kind = kind
        self.name = PREFIX + name
        self.text = text
        self.label_sets = labels
        self._make: Callable[[], Child] = make
        self._children: dict[tuple[str, ...], Child] = {}
        closed = [values for values in labels.values() if isinstance(values, tuple)]
        if len(closed) == len(labels):
            self.seed(itertools.product(*closed))

    def reset(self) -> None:
        """Set every child to 0; for tests."""
        for child in self._children.values():
            child.reset()

    def seed(self, label_values: Iterable[tuple[str, ...]]) -> None:
        """Let these series start at 0, so that the first increase is one."""
        for values in label_values:
            self.labels(*values)

    def labels(self, *values: str) -> Child:
        """Return the child for these values, in the declared order; keep it where it is used often."""
        child = self._children.get(values)
        return child if child is not None else self._add(values)

    def _add(self, values: tuple[str, ...]) -> Child:
        if len(values) != len(self.label_sets):
            raise TypeError(f"{self.name} takes the labels {list(self.label_sets)}, not {values}")
        known = tuple(self._known(label, value) for label, value in zip(self.label_sets, values, strict=True))
        child = self._children.get(known)
        if child is None:
            child = self._children[known] = self._make()
        return child

    def _known(self, label: str, value: str) -> str:
        allowed = self.label_sets[label]
        if allowed is None or value in allowed:
            return value
        if STRICT and isinstance(allowed, tuple):
            raise ValueError(f"{self.name}: {label}={value!r} is not declared in shared/metrics")
        return OTHER

    def render(self) -> Iterator[str]:
        """Yield HELP, TYPE and every sample, in the text format 0.0.4."""
        yield f"# HELP {self.name} {self.text}"
        yield f"# TYPE {self.name} {self.kind}"
        for values, child in list(self._children.items()):
            labels = ",".join(
                f'{label}="{_escaped(value)}"' for label, value in zip(self.label_sets, values, strict=True)
            )
            yield from _samples(self.name, labels, child)


class Registry:
    """All families of a process, in the order of their declaration."""

    def __init__(self) -> None:
        self.families: dict[str, AnyFamily] = {}

    def counter(self, name: str, text: str, labels: Labels | None = None) -> Family[Counter]:
        """Declare a counter; `name` ends in `_total`."""
        return self._keep(Family("counter", name, text, labels or {}, Counter))

    def gauge(self, name: str, text: str, labels: Labels | None = None) -> Family[Gauge]:
        """Declare a gauge."""
        return self._keep(Family("gauge", name, text, labels or {}, Gauge))

    def histogram(
        self,
        name: str,
        text: str,
        labels: Labels | None = None,
        buckets: Sequence[float] = DURATION_BUCKETS,
    ) -> Family[Histogram]:
        """Declare a histogram with the given upper edges, ascending; +Inf is added."""
        edges = tuple(float(edge) for edge in buckets)
        return self._keep(Family("histogram", name, text, labels or {}, lambda: Histogram(edges)))

    def _keep(self, family: Family[Child]) -> Family[Child]:
        if family.name in self.families:
            raise ValueError(f"{family.name} is declared twice")
        self.families[family.name] = family
        return family

    def render(self, wanted: Callable[[str], bool] = lambda _name: True) -> str:
        """Return the exposition of every family whose name, without the prefix, is wanted."""
        shown = (family for name, family in self.families.items() if wanted(name.removeprefix(PREFIX)))
        return "\n".join(itertools.chain.from_iterable(family.render() for family in shown)) + "\n"

    def reset(self) -> None:
        """Set every family to 0; for tests."""
        for family in self.families.values():
            family.reset()


def _samples(name: str, labels: str, child: Counter | Gauge | Histogram) -> Iterator[str]:
    if isinstance(child, Histogram):
        yield from _buckets(name, labels, child)
        return
    yield f"{name}{{{labels}}} {_number(child.value)}" if labels else f"{name} {_number(child.value)}"


def _buckets(name: str, labels: str, child: Histogram) -> Iterator[str]:
    counts, total = list(child.counts), child.total
    comma = "," if labels else ""
    running = 0
    for edge, count in zip((*child.edges, "+Inf"), counts, strict=True):
        running += count
        yield f'{name}_bucket{{{labels}{comma}le="{edge}"}} {running}'
    braces = f"{{{labels}}}" if labels else ""
    yield f"{name}_count{braces} {running}"
    yield f"{name}_sum{braces} {_number(total)}"


def _number(value: float) -> str:
    if value != value:  # only NaN differs from itself
        return "NaN"
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
