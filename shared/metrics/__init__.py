"""Every metric of Ampstream: its name, labels and buckets, and what it means when it rises.

A name appears here and nowhere else in the code. Import the constant, keep its child, count:

    ANSWERED = metrics.EDGE_ACK_SECONDS.labels("Heartbeat")
    ANSWERED.observe(seconds)

base          the registry, and the label values that several families take (actions, protocols)
edge          an edge's stations: sockets, frames, and how soon they are answered
streams       the streams: what waits, how long, what was lost
workers       a worker: batches, phases, jobs, quarantine
presence      the fleet: who is there, and how soon an absence is noticed
commands      commands to stations
authorization local lists, and tags that are kept elsewhere
configuration stations' configurations: reads, drifts
charging      what stations do: transactions, energy, boots, faults, firmware, clocks, deviations
demand        demand response: events, who complied, how the VTN answers
smartcharging what stations are allowed to draw
operators     operators: who was turned away, what was changed, what looks like an attack
files         files that stations fetch and leave, campaigns of firmware
platform      what every process stands on: event loop, Redis, HTTP, the build
exposition    which series a process has, and the text for them

Never a station, id tag or address in a label. An action that nobody registered (`register_actions`) counts as `other`.
Closed label sets start at 0. A metric arrives with its feature; a feature that does not exist yet has none. It is added
in the file of its area alone: every family is a name of this package. `docs/metrics.md` is generated from here.
"""

# ruff: noqa: F403
# What each file declares is this package's: a star re-exports it under its own name, typed, without a second list.
from shared.metrics.authorization import *
from shared.metrics.base import *
from shared.metrics.charging import *
from shared.metrics.commands import *
from shared.metrics.configuration import *
from shared.metrics.demand import *
from shared.metrics.edge import *
from shared.metrics.exposition import *
from shared.metrics.files import *
from shared.metrics.operators import *
from shared.metrics.platform import *
from shared.metrics.presence import *
from shared.metrics.smartcharging import *
from shared.metrics.streams import *
from shared.metrics.workers import *
