"""Keys of stations: rotated without locking anybody out; and the least security profile that is asked of a group."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Page
from edge.operators.models.certificates import KeyRotation, SecurityPolicy
from edge.operators.problems import ProblemError, missing
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.stations import StationPath
from edge.operators.routes import Table
from edge.operators.serving import Answer
from shared import credentials
from shared.records.credentials import EVERY_GROUP
from shared.records.queries import certificates
from shared.records.requests import RotateKey

TABLE: Final = Table("credentials")
_route = TABLE.route
MAX_POLICIES: Final = 1000
"""Every edge reads all of them at every login."""


class GroupPath(msgspec.Struct, frozen=True, kw_only=True):
    """One group; `*`: every station."""

    group: Annotated[str, Meta(min_length=1, max_length=255)]


class PolicyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked of a group."""

    minimum_profile: Annotated[int, Meta(ge=0, le=3, description="Security profile below which stations are refused.")]


@_route(
    "POST", "/stations/{station_id}/key-rotation", "Rotate a station's key", scope="operate", params=StationPath,
    response=KeyRotation, status=202, errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def rotate_key(call: Call[StationPath, None]) -> Answer:
    """Make a new key and bring it to the station; both open until it has come with the new one. Nobody sees the key.

    409 while one is on its way, or was taken and not used yet.
    """
    key = credentials.make_key()
    stored = credentials.hash_key(key, await credentials.load_pepper(call.lane))
    asked = RotateKey(request_id=request_id(call), by=call.token.name, key=key, key_hash=stored)
    await ask(call, call.params.station_id, asked)
    found = (await certificates.proofs(call.lane, call.params.station_id)).credentials.rotation
    if found is None:
        raise ProblemError("conflict", "the rotation has ended meanwhile")
    return Answer(KeyRotation.of(found), 202)


@_route("GET", "/security-policies", "List security policies", scope="read", response=Page[SecurityPolicy])
async def list_security_policies(call: Call[Any, None]) -> Page[SecurityPolicy]:
    """Return the least security profile of each group that has one."""
    found = await certificates.policies(call.lane)
    return Page([SecurityPolicy(group=group, minimum_profile=least) for group, least in found.items()], None)


@_route(
    "PUT", "/security-policies/{group}", "Set a security policy", scope="admin", params=GroupPath, body=PolicyBody,
    response=SecurityPolicy, errors=("conflict",),
)  # fmt: skip
async def set_policy(call: Call[GroupPath, PolicyBody]) -> SecurityPolicy:
    """Ask a security profile of a group's stations, `*` of all, from their next connection on.

    The highest counts: of everybody, of the group, and of the station itself.
    """
    group = call.params.group.casefold()
    found = await certificates.policies(call.lane)
    if group not in found and len(found) >= MAX_POLICIES:
        raise ProblemError("conflict", f"there are {MAX_POLICIES} security policies; remove some")
    await certificates.set_policy(call.lane, group, call.body.minimum_profile)
    return SecurityPolicy(group=group, minimum_profile=call.body.minimum_profile)


@_route(
    "DELETE", "/security-policies/{group}", "Remove a security policy", scope="admin", params=GroupPath, status=204,
    errors=("not_found",),
)  # fmt: skip
async def remove_policy(call: Call[GroupPath, None]) -> None:
    """Ask nothing of a group beyond what is asked of everybody."""
    if not await certificates.drop_policy(call.lane, call.params.group):
        what = "security policy" if call.params.group != EVERY_GROUP else "security policy of everybody"
        raise missing(what, call.params.group)
