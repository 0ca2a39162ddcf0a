"""Takes the order of the downlink's commands out: each is written as it comes, before what is read with it is known."""

from __future__ import annotations

from edge.downlink import Downlink
from shared.envelopes import Command


def apply() -> None:
    """Write the commands of each entry at once."""
    deliver = Downlink._deliver

    def at_once(self: Downlink, data: bytes, _commands: list[Command]) -> None:
        mine: list[Command] = []
        deliver(self, data, mine)
        for command in mine:
            self._node.sink.command(command)

    Downlink._deliver = at_once  # type: ignore[assignment,method-assign]
