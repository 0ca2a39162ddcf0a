"""Per version: the message types by action, who sends them, and the types that give the strict verdict.

The types load when `actions_of` is first asked, so a process that never sees 2.x never pays for its types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from shared.ocpp.messages import Data, Message, Request, Unconfirmed
from shared.ocpp.versions import OCPP16, OCPP21, OCPP201, Version


class Actions(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What may be said in one version; keys and members are actions, as in a CALL."""

    requests: Mapping[str, type[Request[Any]]]
    unconfirmed: Mapping[str, type[Unconfirmed]]
    from_station: frozenset[str]
    from_csms: frozenset[str]
    strict: Mapping[type[Message], type[Data]]
    """The type that gives this version's verdict, where it is not the message type itself."""


def _ocpp16() -> Actions:
    from shared.ocpp import v16

    return Actions(
        requests=v16.REQUESTS, unconfirmed={}, from_station=v16.FROM_STATION, from_csms=v16.FROM_CSMS, strict={}
    )


def _ocpp201() -> Actions:
    from shared.ocpp import v2x
    from shared.ocpp.v2x.strict201 import ACTIONS, STRICT

    return Actions(
        requests={action: cls for action, cls in v2x.REQUESTS.items() if action in ACTIONS},
        unconfirmed={},
        from_station=v2x.FROM_STATION & ACTIONS,
        from_csms=v2x.FROM_CSMS & ACTIONS,
        strict=STRICT,
    )


def _ocpp21() -> Actions:
    from shared.ocpp import v2x

    return Actions(
        requests=v2x.REQUESTS,
        unconfirmed=v2x.UNCONFIRMED,
        from_station=v2x.FROM_STATION,
        from_csms=v2x.FROM_CSMS,
        strict={},
    )


_LOADERS: Final[Mapping[str, Callable[[], Actions]]] = {
    OCPP16.subprotocol: _ocpp16,
    OCPP201.subprotocol: _ocpp201,
    OCPP21.subprotocol: _ocpp21,
}


@cache
def actions_of(version: Version) -> Actions:
    """Return the version's tables."""
    return _LOADERS[version.subprotocol]()
