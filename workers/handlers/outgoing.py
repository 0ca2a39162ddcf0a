"""What the answers to commands mean: derived from the response types of a version, so that no status is forgotten."""

from __future__ import annotations

import enum
from typing import Final

import msgspec

from shared.ocpp.actions import Actions
from shared.ocpp.messages import Response
from workers.services import command_rules
from workers.store.wants import Want

PREFETCHES: Final[dict[bytes, tuple[Want, ...]]] = {}
"""Bytes that tell an answer by its look -> what its decision will probably want: a guess that saves rounds."""


def statuses(response: type[Response]) -> tuple[str, ...]:
    """Return every status that an answer may have; none where its type has no status."""
    for field in msgspec.structs.fields(response):
        if field.name == "status":
            assert issubclass(field.type, enum.Enum), f"{response.__name__}.status is no enumeration"
            return tuple(member.value for member in field.type)
    return ()


def learn(actions: Actions) -> None:
    """Let the services know the outcomes of all that a version's stations are sent."""
    for action in actions.from_csms:
        command_rules.learn(action, statuses(actions.requests[action].response))
