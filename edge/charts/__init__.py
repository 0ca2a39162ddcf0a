"""Charts of limits, allocations and draws over time: pure from the values to the picture, apart from the readers.

steps.py     values over time as steps: joining, thinning without losing what matters
chart.py     what a chart shows: panels of curves; how each curve looks
sites.py     a site's minutes as panels       stations.py  a station's schedule and meter values as panels
reading.py   what they are made of, from Redis
axes.py      where the axes have marks: round numbers, round times of the reader's zone
layout.py    a chart as shapes: rectangles, lines, texts
svg.py, png.py   shapes as a file
drawing.py   all of it in a thread of its own: the event loop carries stations' frames

Everything is drawn as steps: a value holds from its moment until the next. Where nothing is known there is a gap.
"""
