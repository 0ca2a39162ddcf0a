"""The protocols that have handlers, as data: subprotocol -> the package whose import registers them.

Nothing below the handlers knows a version; a further protocol is a line in `PACKAGES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec

from shared.ocpp.actions import Actions, actions_of
from shared.ocpp.messages import Request
from shared.ocpp.versions import OCPP16, VERSIONS, Version
from workers.handlers.registry import HANDLERS, Handler, empty_answer

PACKAGES: Final[Mapping[str, str]] = {OCPP16.subprotocol: "workers.handlers.v16"}
"""Subprotocol -> package of its handlers."""
ANSWERED_EMPTY: Final = frozenset({"StopTransaction", "MeterValues"})
"""Transaction messages whose empty answer is valid: what stands in where a handler brings no `unreadable`."""
DEFAULT: Final = OCPP16.subprotocol
"""Taken for a session whose subprotocol has no handlers or is not known yet."""


class Protocol(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What dispatch needs to serve one subprotocol."""

    version: Version
    actions: Actions
    handlers: Mapping[str, Handler]
    """By action: what stations may send and Ampstream serves."""


@cache
def protocol_of(subprotocol: str) -> Protocol:
    """Return the protocol of a session; the default one where it has no handlers."""
    name = subprotocol if subprotocol in PACKAGES else DEFAULT
    if name != subprotocol:
        return protocol_of(name)
    version = VERSIONS[name]
    actions = actions_of(version)
    served = {action: cls for action, cls in actions.requests.items() if action in actions.from_station}
    return Protocol(version, actions, {action: _handler(cls) for action, cls in served.items() if cls in HANDLERS})


def _handler(request: type[Request[Any]]) -> Handler:
    handler = HANDLERS[request]
    if handler.unreadable is None and request.action in ANSWERED_EMPTY:
        return msgspec.structs.replace(handler, unreadable=empty_answer(request.response))
    return handler


# Before the first entry: a worker may get a timer, an answer or a request before any frame of a version, and services
# know the versions' words from the handlers alone.
for _package in PACKAGES.values():
    importlib.import_module(_package)
