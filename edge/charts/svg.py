"""Shapes as SVG: attributes alone, no style, no script, nothing from elsewhere, so any content policy lets it be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape

from .layout import Area, Box, Line, Page, Shape, Text

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML can't hold (§2.2), however it is written."""


def render(page: Page) -> bytes:
    """Return the page as an SVG document."""
    size = f'viewBox="0 0 {page.width} {page.height}" width="{page.width}" height="{page.height}"'
    fonts = 'font-family="system-ui, Helvetica, Arial, sans-serif"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="t d" {size} {fonts}>',
        f'<title id="t">{_text(page.title)}</title>',
        f'<desc id="d">{_text(page.words)}</desc>',
        *(_drawn(shape) for shape in page.shapes),
        "</svg>\n",
    ]
    return "\n".join(parts).encode()


def _drawn(shape: Shape) -> str:
    if isinstance(shape, Box):
        size = f'width="{shape.width:g}" height="{shape.height:g}"'
        return f'<rect x="{shape.x:g}" y="{shape.y:g}" {size} fill="{shape.fill}"/>'
    if isinstance(shape, Area):
        return f'<polygon points="{_points(shape.points)}" fill="{shape.fill}"/>'
    if isinstance(shape, Line):
        dash = f' stroke-dasharray="{" ".join(map(str, shape.dash))}"' if shape.dash else ""
        stroke = f'fill="none" stroke="{shape.colour}" stroke-width="{shape.width}"{dash}'
        return f'<polyline points="{_points(shape.points)}" {stroke}/>'
    return _words(shape)


def _words(shape: Text) -> str:
    more = f' text-anchor="{shape.anchor}"' if shape.anchor != "start" else ""
    more += ' font-weight="bold"' if shape.bold else ""
    at = f'x="{shape.x:g}" y="{shape.y:g}" font-size="{shape.size}"'
    return f'<text {at} fill="{shape.colour}"{more}>{_text(shape.words)}</text>'


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _text(words: str) -> str:
    return escape(_NO_XML.sub("\ufffd", words))
