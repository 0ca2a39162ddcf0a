"""Local authorization lists of stations: sent, verified, repaired (OCPP 1.6 sections 3.5.2, 5.10, 5.15).

    words.py       how a version's stations are asked and told; handlers fill it
    looking.py     when a list is looked at: a read configuration, a boot, a return, an operator, a job
    running.py     ask, send in chunks, verify: one command at a time, each decided from section `ll`
    choosing.py    what the next message holds: the items behind the cursor that are for this station
    concluding.py  what a run came to: the state, the fleet's index, an event, the jobs that wait

The flow: `looking.look` holds section `ll` against the head of the list that the station's policy wants, and begins a
run; the end of each command comes back to `running.ended` in the same decision. What is under way is in
`LocalList.run`, so a worker that dies loses nothing.
"""

from __future__ import annotations

from .looking import CONFLICT, booted, conflicted, forget, join, leave, returned, sync

__all__ = ["CONFLICT", "booted", "conflicted", "forget", "join", "leave", "returned", "sync"]
