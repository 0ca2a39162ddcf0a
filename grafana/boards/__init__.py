"""What each dashboard shows. A page of one screen's first row answers whether anything is wrong, where, and since when.

fleet       stations: who is there, who came and went, and what fires
pipeline    a frame's path: rate, errors, duration of each step, and the queues between them
edge        each edge: sockets, frames, pings, its loop
charging    commands to stations, transactions, energy, authorization, what stations report of themselves
redis       memory, persistence, commands, as redis_exporter and our own processes see them
proofs      a row of it: keys and certificates of stations
files       a row of it: campaigns of firmware, files that stations fetch and leave
sites       a row of it: sites, how full they are, what their stations are told
demand      a row of it: demand response, and the VTN
authorization  a row of it: local lists, the external authorizer
common      panels and thresholds that several share
"""

from typing import Final

from grafana.builder.dashboards import Dashboard

from .charging import CHARGING
from .edge import EDGE
from .fleet import FLEET
from .pipeline import PIPELINE
from .redis import REDIS

BOARDS: Final[tuple[Dashboard, ...]] = (FLEET, PIPELINE, EDGE, CHARGING, REDIS)
