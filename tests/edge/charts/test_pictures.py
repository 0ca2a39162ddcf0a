"""Charts as files: whole, escaped, told apart without colours, and drawn of nothing too."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from datetime import UTC
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from edge.charts import sites
from edge.charts.chart import LOOKS, Chart
from edge.charts.drawing import picture, render
from shared.records.queries.site_history import Past
from shared.records.site_history import MINUTE_MS, Point

T0 = 1_772_323_200_000
SVG = "{http://www.w3.org/2000/svg}"


def _chart(title: str, *points: Point | None) -> Chart:
    past = Past([T0 + n * MINUTE_MS for n in range(len(points))], list(points))
    until = T0 + max(len(points), 1) * MINUTE_MS
    panels = sites.panels(past, "A", T0, until)
    return Chart(title=title, since=T0, until=until, now=until, zone=UTC, zone_name="UTC", panels=panels)


def _point(limit: int, drawn: int) -> Point:
    return Point((limit,) * 3, (drawn,) * 3, (drawn,) * 3, (10,) * 3)


def test_names_are_text_whatever_they_are() -> None:
    """Angle brackets, ampersands and characters that XML has not can't become anything but words."""
    root = ET.fromstring(render(_chart("CP<&>\"'\ufffe\ud800 <script>", _point(160, 100)), "svg"))
    assert root.findtext(f"{SVG}title") == "CP<&>\"'\ufffd\ufffd <script>"
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
        *("svg", "title", "desc", "rect", "line", "polyline", "polygon", "text"),
    }
    assert not any(name in ("style", "href", "onload") for one in root.iter() for name in one.attrib)


def test_curves_are_told_apart_without_colours() -> None:
    """No two lines of one chart have the same dash and width, and each has its name in the legend."""
    assert len({(look.dash, look.width) for look in LOOKS.values()}) == len(LOOKS)
    root = ET.fromstring(render(_chart("x", _point(160, 100)), "svg"))
    words = {one.text for one in root.iter(f"{SVG}text")}
    assert {"limit", "allocated and base load", "drawn and base load", "base load", "A on each phase", "UTC"} <= words


def test_a_gap_parts_a_line() -> None:
    """Where nothing is known no line is drawn: each curve has one piece on either side."""

    def limits(*points: Point | None) -> int:
        root = ET.fromstring(render(_chart("x", *points), "svg"))
        return sum(one.get("stroke") == LOOKS["limit"].colour for one in root.iter(f"{SVG}polyline"))

    held = _point(160, 100)
    assert limits(held, None, held) == limits(held, held) + 1


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ((), "nothing is known of this time"),
        ((_point(0, 0),), "2026-03-01 00:00 to 2026-03-01 00:01"),
        ((_point(160, 400),), "above the limit for 1 min"),
    ],
)
def test_odd_charts_are_charts(points: tuple[Point, ...], words: str) -> None:
    """Nothing at all, one minute at a limit of 0, and a site above its limit are drawn in both formats."""
    chart = _chart("x", *points)
    assert words in render(chart, "svg").decode()
    image = Image.open(io.BytesIO(render(chart, "png")))
    assert image.format == "PNG"
    assert image.size[0] == 1920
    assert len(set(image.convert("L").resize((96, 48)).tobytes())) > 5


async def test_pictures_are_drawn_beside_the_event_loop() -> None:
    """The loop turns while a chart of a day is drawn."""
    points = [_point(160, n % 160) for n in range(1440)]
    drawing = asyncio.ensure_future(picture(lambda: _chart("x", *points), "png"))
    turns = 0
    while not drawing.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await drawing).startswith(b"\x89PNG")
    assert turns > 3


def test_pillow_is_imported_for_a_png_alone() -> None:
    """An edge that draws nothing, or SVG, does not pay for it."""
    code = "import sys, edge.operators.resources, edge.charts.svg; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
