"""Shapes as PNG, by Pillow, at twice the size: sharp on dense screens. Lines are level or upright, so none is jagged.

Pillow's own font has ASCII; a name with more is written with a font of the machine, where there is one.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from functools import cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from .layout import Area, Box, Line, Page, Shape

SCALE: Final = 2
COLOURS: Final = 128
FONTS: Final = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf")
ANCHORS: Final = {"start": "ls", "middle": "ms", "end": "rs"}

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def render(page: Page) -> bytes:
    """Return the page as a PNG image."""
    image = Image.new("RGB", (page.width * SCALE, page.height * SCALE), "#ffffff")
    canvas = ImageDraw.Draw(image)
    for shape in page.shapes:
        _draw(canvas, shape)
    out = io.BytesIO()
    # Half the size, and the fast way: the default one holds all of Python for 90 ms, this one for 20.
    few = image.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(out, "PNG", dpi=(192, 192))
    return out.getvalue()


def _draw(canvas: ImageDraw.ImageDraw, shape: Shape) -> None:
    if isinstance(shape, Box):
        right, bottom = (shape.x + shape.width) * SCALE - 1, (shape.y + shape.height) * SCALE - 1
        left, top = shape.x * SCALE, shape.y * SCALE
        canvas.rectangle((left, top, max(right, left), max(bottom, top)), fill=shape.fill)
    elif isinstance(shape, Area):
        canvas.polygon([(x * SCALE, y * SCALE) for x, y in shape.points], fill=shape.fill)
    elif isinstance(shape, Line):
        points = [(x * SCALE, y * SCALE) for x, y in shape.points]
        for some in _dashed(points, tuple(one * SCALE for one in shape.dash)) if shape.dash else (points,):
            canvas.line(some, fill=shape.colour, width=shape.width * SCALE)
    else:
        at = (shape.x * SCALE, shape.y * SCALE)
        bold = 0.6 if shape.bold else 0
        font = _font(shape.size * SCALE, plain=shape.words.isascii())
        canvas.text(at, shape.words, shape.colour, font, ANCHORS[shape.anchor], stroke_width=bold)


@cache
def _font(size: int, *, plain: bool) -> Font:
    if not plain:
        for name in FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    return ImageFont.load_default(size)


Point = tuple[float, float]


def _dashed(points: list[Point], dash: tuple[int, ...]) -> Iterator[list[Point]]:
    """Yield the dashes of a line, each as its points; a dash goes on around corners."""
    lengths = itertools.cycle(dash)
    left, on = float(next(lengths)), True
    run = [points[0]]
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        whole = max(abs(to_x - x), abs(to_y - y))
        done = 0.0
        while whole - done > left:
            done += left
            at = (x + (to_x - x) * done / whole, y + (to_y - y) * done / whole)
            if on:
                yield [*run, at]
            run, on, left = [at], not on, float(next(lengths))
        left -= whole - done
        run.append((to_x, to_y))
    if on and len(run) > 1:
        yield run
