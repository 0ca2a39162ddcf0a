"""`docs/messages.md` and the table of messages in README.md: what each version has, and what is served today.

Types come from `shared.ocpp.actions`, what is served from the registry of handlers, what is sent from those who send.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from shared.ocpp.actions import actions_of
from shared.ocpp.versions import OCPP16, VERSIONS, Version
from workers.dispatch.protocols import PACKAGES, protocol_of
from workers.handlers.registry import Handler
from workers.services.reconciliation import ASKERS

Row = tuple[str, str, str, str]

_COLUMNS = ("message", "direction", "supported", "notes")
_FROM, _TO = "from the station", "to the station"
_HEAD = """\
# Messages

Generated from the message types (`shared/ocpp/`) and the registry of handlers (`workers/handlers/`)."""
_TYPES_ONLY = """\
The types are generated and tested against the schemas; there are no handlers yet. A socket that offers only this
version is refused at the negotiation."""
_LATE = {
    "run": "merged when it comes from an older session",
    "keep": "from an older session it goes to the history only",
    "drop": "from an older session it changes nothing",
}


def markdown() -> str:
    """Return `docs/messages.md`."""
    parts = [_HEAD]
    for version in VERSIONS.values():
        parts.append(f"## OCPP {version.name}")
        if version.subprotocol in PACKAGES:
            parts.append(_table([*_inbound(version, in_full=True), *_sent(version)]))
        else:
            parts.append(f"{_TYPES_ONLY}\n\n{_names(version)}")
    return "\n\n".join(parts) + "\n"


def section() -> str:
    """Return the table of 1.6 for README.md."""
    return _table([*_inbound(OCPP16, in_full=False), *_sent(OCPP16)])


def _inbound(version: Version, *, in_full: bool) -> Iterable[Row]:
    handlers = protocol_of(version.subprotocol).handlers
    for action in sorted(actions_of(version).from_station):
        handler = handlers.get(action)
        notes = "" if handler is None else _notes(handler, in_full=in_full)
        yield f"`{action}`", _FROM, "no" if handler is None else "yes", notes


def _notes(handler: Handler, *, in_full: bool) -> str:
    said = inspect.getdoc(handler.run) or ""
    notes = [said.partition("\n")[0].rstrip(".")]
    if in_full:
        if handler.unreadable is not None:
            notes.append("never gets a CALLERROR")
        if handler.unaccepted:
            notes.append("served before the station is accepted")
        if handler.once:
            notes.append("the same CALL again on one connection gets the kept answer")
        notes.append(_LATE[handler.late])
    return "; ".join(notes)


def _asked(version: Version) -> set[str]:
    """Return the actions that reconciliations send."""
    protocol_of(version.subprotocol)  # Importing the handlers registers how they ask.
    asker = ASKERS.get(version.subprotocol)
    return set() if asker is None else {action for action, _ in asker(1)}


def _sent(version: Version) -> Iterable[Row]:
    for action in sorted(actions_of(version).from_csms):
        notes = "sent by operators and by reconciliation" if action in _asked(version) else "sent by operators"
        yield f"`{action}`", _TO, "yes", notes


def _names(version: Version) -> str:
    actions = actions_of(version)
    parts = ((_FROM, actions.from_station), (_TO, actions.from_csms))
    return "\n\n".join(
        f"{len(names)} {direction}: {', '.join(f'`{name}`' for name in sorted(names))}." for direction, names in parts
    )


def _table(rows: Iterable[Row]) -> str:
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
