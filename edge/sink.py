"""Where a node hands over what concerns stations: the stations' listener, or nobody where it is off."""

from __future__ import annotations

from typing import Protocol

from shared.envelopes import Adjust, Answer, Close, Command


class Sink(Protocol):
    """What the stations' listener takes from its node; none of it may wait."""

    def answer(self, item: Answer) -> None:
        """Write the answer to a CALL, if its session still waits for it."""

    def command(self, item: Command) -> None:
        """Write a CALL of ours, or report that it was not written."""

    def close(self, item: Close) -> None:
        """Close a session."""

    def adjust(self, item: Adjust) -> None:
        """Take over the heartbeat interval that a station was given."""

    def gap(self) -> None:
        """Close the sessions that may miss an item: entries of the downlink are lost."""

    def fail_closed(self, reason: str) -> None:
        """Close every session: nobody answers."""

    def reopened(self) -> None:
        """Admit stations again."""

    def not_ready(self) -> list[str]:
        """Say why no station should be sent here."""
        ...


class NoStations:
    """The sink of a process without a stations' listener; nothing comes for it but by mistake."""

    def answer(self, item: Answer) -> None:
        """Ignore it."""

    def command(self, item: Command) -> None:
        """Ignore it."""

    def close(self, item: Close) -> None:
        """Ignore it."""

    def adjust(self, item: Adjust) -> None:
        """Ignore it."""

    def gap(self) -> None:
        """There is nobody to close."""

    def fail_closed(self, reason: str) -> None:
        """There is nobody to close."""

    def reopened(self) -> None:
        """There is nobody to admit."""

    def not_ready(self) -> list[str]:
        """There is nobody to keep away."""
        return []
