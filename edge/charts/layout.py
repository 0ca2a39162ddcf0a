"""A chart as shapes on a page: where everything goes, in pixels, for both formats the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from . import axes
from .chart import ABOVE, LOOKS, Chart, Curve, Kind, Panel
from .steps import lasting

WIDTH: Final = 960
LEFT: Final = 60
RIGHT: Final = 20
HEAD: Final = 106
FOOT: Final = 58
BETWEEN: Final = 34
HEIGHTS: Final = {0: 280, 1: 300, 2: 190}
"""Of a panel, by how many there are."""
SMALLEST: Final = 140
INK: Final = "#222222"
SOFT: Final = "#555555"
GRID: Final = "#e4e4e4"
AXIS: Final = "#888888"
MARKS_APART: Final = 6

Anchor = Literal["start", "middle", "end"]


class Box(NamedTuple):
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    fill: str


class Line(NamedTuple):
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: int = 1
    dash: tuple[int, ...] = ()


class Area(NamedTuple):
    """A filled polygon."""

    points: tuple[tuple[float, float], ...]
    fill: str


class Text(NamedTuple):
    """Words; `y` is their base line."""

    x: float
    y: float
    words: str
    size: int = 12
    colour: str = INK
    anchor: Anchor = "start"
    bold: bool = False


Shape = Box | Line | Area | Text


class Page(NamedTuple):
    """All shapes, in the order in which they are drawn."""

    width: int
    height: int
    title: str
    words: str
    """What it shows, for those who can't see it."""
    shapes: tuple[Shape, ...]


def page(chart: Chart) -> Page:
    """Lay a chart out."""
    count = len(chart.panels)
    each = HEIGHTS.get(count, SMALLEST)
    height = HEAD + max(count, 1) * each + max(count - 1, 0) * BETWEEN + FOOT
    frames = [_Frame(chart, HEAD + number * (each + BETWEEN), each) for number in range(max(count, 1))]
    shapes: list[Shape] = [Box(0, 0, WIDTH, height, "#ffffff"), *_head(chart)]
    if not chart.panels:
        shapes += frames[0].empty()
    for frame, panel in zip(frames, chart.panels, strict=False):
        shapes += frame.drawn(panel)
    shapes += frames[-1].foot()
    return Page(WIDTH, height, chart.title, _told(chart), tuple(shapes))


def _told(chart: Chart) -> str:
    parts = [_span(chart)]
    for panel in chart.panels:
        highest = [f"{one.name} at most {max(step.value for step in one.steps):.4g}" for one in panel.curves]
        parts.append(f"{panel.title}: {', '.join(highest)}")
    return ". ".join([*parts, *_remarks(chart)])


def _span(chart: Chart) -> str:
    return f"{axes.moment(chart.since, chart.zone)} to {axes.moment(chart.until, chart.zone)}, {chart.zone_name}"


def _remarks(chart: Chart) -> list[str]:
    longest = max((lasting(panel.above) for panel in chart.panels), default=0)
    remarks = [chart.note] if chart.note else []
    if not chart.panels:
        remarks.append("nothing is known of this time")
    if longest:
        minutes = max(round(longest / 60_000), 1)
        remarks.append(f"above the limit for {minutes} min")
    return remarks


def _head(chart: Chart) -> Iterator[Shape]:
    yield Text(LEFT, 28, chart.title, 18, bold=True)
    yield Text(LEFT, 48, ", ".join([_span(chart), *_remarks(chart)]), 12, SOFT)
    names: dict[Kind, str] = {one.kind: one.name for panel in chart.panels for one in panel.curves}
    x = float(LEFT)
    for kind in reversed(list(LOOKS)):
        if kind in names:
            yield from _sample(kind, x)
            yield Text(x + 36, 72, names[kind])
            x += 36 + 6.4 * len(names[kind]) + 18
    if any(panel.above for panel in chart.panels):
        yield Box(x, 65, 28, 6, ABOVE)
        yield Text(x + 36, 72, "above the limit")


def _sample(kind: Kind, x: float) -> Iterator[Shape]:
    look = LOOKS[kind]
    if look.fill:
        yield Box(x, 68, 28, 8, look.fill)
    yield Line(((x, 68), (x + 28, 68)), look.colour, look.width, look.dash)


class _Frame:
    """Where one panel is, and what is where in it."""

    def __init__(self, chart: Chart, y: int, height: int) -> None:
        self._chart = chart
        self._top = y
        self._bottom = y + height
        self._marks = axes.times(chart.since, chart.until, chart.zone)

    def _x(self, at: int) -> float:
        chart = self._chart
        share = (min(max(at, chart.since), chart.until) - chart.since) / max(chart.until - chart.since, 1)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 2)

    def _y(self, value: float, highest: float) -> float:
        return round(self._bottom - value / highest * (self._bottom - self._top), 2)

    def empty(self) -> Iterator[Shape]:
        """Yield a frame that says that there is nothing."""
        yield from self._times()
        middle = (self._top + self._bottom) / 2
        yield Text((LEFT + WIDTH - RIGHT) / 2, middle, "nothing is known of this time", 14, SOFT, "middle")
        yield self._axis()

    def drawn(self, panel: Panel) -> Iterator[Shape]:
        """Yield a panel: fills, then marks, then lines, so that none hides another."""
        most = max((step.value for one in panel.curves for step in one.steps), default=0.0)
        highest, step = axes.top(most * 1.05, MARKS_APART if self._bottom - self._top > 200 else 4)
        ordered = [one for kind in LOOKS for one in panel.curves if one.kind == kind]
        for one in ordered:
            if LOOKS[one.kind].fill:
                yield from self._filled(one, highest)
        yield from self._times()
        yield from self._values(highest, step)
        yield self._axis()
        for one in ordered:
            yield from self._lined(one, highest)
        for over in panel.above:
            left = self._x(over.since)
            yield Box(left, self._top - 6, max(self._x(over.until) - left, 1.5), 6, ABOVE)
        yield from self._present()
        yield Text(LEFT, self._top - 9, panel.title, 12, SOFT)

    def foot(self) -> Iterator[Shape]:
        """Yield the words below the last panel."""
        for mark in self._marks:
            x = self._x(mark.at)
            yield Text(x, self._bottom + 17, mark.clock or mark.day, anchor="middle")
            if mark.clock and mark.day:
                yield Text(x, self._bottom + 33, mark.day, 12, SOFT, "middle")
        chart = self._chart
        offsets = dict.fromkeys((axes.offset(chart.since, chart.zone), axes.offset(chart.until - 1, chart.zone)))
        away = ", then ".join(offsets)
        words = chart.zone_name if away == chart.zone_name else f"{chart.zone_name} ({away})"
        yield Text(WIDTH - RIGHT, self._bottom + 49, words, 12, SOFT, "end")

    def _times(self) -> Iterator[Shape]:
        for mark in self._marks:
            x = self._x(mark.at)
            yield Line(((x, self._top), (x, self._bottom + 4)), AXIS if mark.day and mark.clock == "00:00" else GRID)

    def _values(self, highest: float, step: float) -> Iterator[Shape]:
        for number in range(round(highest / step) + 1):
            y = self._y(number * step, highest)
            yield Line(((LEFT, y), (WIDTH - RIGHT, y)), GRID)
            yield Text(LEFT - 8, y + 4, f"{number * step:g}", anchor="end")

    def _axis(self) -> Shape:
        return Line(((LEFT, self._top), (LEFT, self._bottom), (WIDTH - RIGHT, self._bottom)), AXIS)

    def _present(self) -> Iterator[Shape]:
        now = self._chart.now
        if self._chart.since < now < self._chart.until - 60_000:
            x = self._x(now)
            yield Line(((x, self._top), (x, self._bottom)), INK, 1, (1, 3))
            yield Text(x - 4, self._top + 12, "now", 11, SOFT, "end")

    def _filled(self, curve: Curve, highest: float) -> Iterator[Shape]:
        for run in self._runs(curve, highest):
            yield Area((*run, (run[-1][0], self._bottom), (run[0][0], self._bottom)), LOOKS[curve.kind].fill)

    def _lined(self, curve: Curve, highest: float) -> Iterator[Shape]:
        look = LOOKS[curve.kind]
        for run in self._runs(curve, highest):
            yield Line(tuple(run), look.colour, look.width, look.dash)

    def _runs(self, curve: Curve, highest: float) -> Iterator[list[tuple[float, float]]]:
        """Yield the points of each stretch without a gap: two for each step."""
        run: list[tuple[float, float]] = []
        end = None
        for one in curve.steps:
            if run and one.since != end:
                yield run
                run = []
            y = self._y(one.value, highest)
            run += [(self._x(one.since), y), (self._x(one.until), y)]
            end = one.until
        if run:
            yield run
