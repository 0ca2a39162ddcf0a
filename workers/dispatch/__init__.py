"""Finds the decision for an uplink entry: what came, for which protocol, to which handler or service.

entry.py      Entry: one uplink entry, decoded once however often it is decided
decide.py     decide(): by kind to a session, a command's answer, a timer, an operator's request or a CALL
calls.py      CALLs: protocol -> parse -> handler -> answer, and what a CALL that fails gets
protocols.py  the protocols that have handlers, as data
replay.py     a quarantined frame once more
"""

from .decide import decide, quarantine
from .entry import Entry

__all__ = ["Entry", "decide", "quarantine"]
