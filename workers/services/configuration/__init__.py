"""Stations' configurations: read, kept, compared.

    words.py         how a version's stations are asked, and what they answer; handlers fill it
    coercion.py      texts and booleans out of whatever a station sent (quirk 23); secrets masked
    reading.py       when a configuration is read, by which commands, and what happens where a station does not answer
    hooks.py         who is told of what was read
    asked.py         what operators ask, of one station or as a job over many
    waiting.py       jobs over many stations are told how it ended
    comparing.py     a snapshot out of what was read, its difference from the last, the history
    firmware.py      what a firmware has shown: error codes, vendor error codes, measurands
    drifts.py        which differences are significant; their records; their acknowledgement
    expecting.py     changes that are ours, and no drift
    capabilities.py  what a station and its model can do
    rules.py         the rules that tell, as shipped

The flow: `reading.begin` (an accepted boot, the timer, an operator) queues a command; its end comes back to
`reading.answered` in the same decision; what was found goes to `comparing.took`, which stores it and calls the hooks.
What is under way is in section `cf`, and timers look again: a worker that dies loses nothing.
"""

from __future__ import annotations

from . import capabilities, waiting
from .hooks import when_keys_read, when_read, when_unread
from .reading import BOOT, OPERATOR, begin, read_keys, returned

__all__ = [
    "BOOT",
    "OPERATOR",
    "begin",
    "capabilities",
    "read_keys",
    "returned",
    "waiting",
    "when_keys_read",
    "when_read",
    "when_unread",
]
