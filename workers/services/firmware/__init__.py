"""Firmware at one station: an update begun, followed, ended; what it says of files that it leaves.

    dialect.py   how a version's stations are asked; handlers fill it
    updating.py  the update that is under way: what moves it on, and what ends it
    telling.py   its result for the campaign, and its events
    uploads.py   how the upload of diagnostics or a log goes

An update is in section `fw`. It moves by the end of its command, status notifications, boots and one timer, each in a
decision of its own, so that a worker that dies loses nothing. It has succeeded only once the station has booted and
named the version. The result goes out with the decision that made it; `workers.jobs.firmware` counts it.
"""

from __future__ import annotations

from .updating import booted, given_up, progressed, serve
from .uploads import told

__all__ = ["booted", "given_up", "progressed", "serve", "told"]
