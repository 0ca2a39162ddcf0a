"""Authorization policies: who decides about a tag at which stations, and which tags stand in their local lists.

All policies are one record, the string `authorization`, as templates are one: a decision that looks at one looks at
all, and of those that match a station the strongest alone holds. A policy brings the configuration that belongs to its
mode as a template of its own (`template_of`), so that stations are set and checked as for any other template.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from shared.records.stations import StationRecord
from shared.records.tags import IdTag
from shared.records.templates import Match, Template, in_order

MAX_POLICIES: Final = 100
MAX_LISTED_TAG: Final = 20
"""An idTag's characters (CiString20Type, OCPP 1.6 section 7.15): a longer tag can't stand in a list."""
TEMPLATE_PREFIX: Final = "authorization:"
"""Begins the name of a policy's template; no operator's template has a colon in its name."""
Mode = Literal["central", "local", "hybrid"]
"""`central`: Ampstream is asked each time. `local`: the station decides by its list. `hybrid`: Ampstream is asked, and
the list decides where it cannot be."""

KEYS: Final[Mapping[Mode, Mapping[str, str]]] = {
    "central": {
        "LocalPreAuthorize": "false",
        "LocalAuthorizeOffline": "false",
        "AllowOfflineTxForUnknownId": "false",
        "AuthorizationCacheEnabled": "false",
        "LocalAuthListEnabled": "false",
        "StopTransactionOnInvalidId": "true",
    },
    "local": {
        "LocalPreAuthorize": "true",
        "LocalAuthorizeOffline": "true",
        "AllowOfflineTxForUnknownId": "false",
        "AuthorizationCacheEnabled": "false",
        "LocalAuthListEnabled": "true",
        "StopTransactionOnInvalidId": "true",
    },
    "hybrid": {
        "LocalPreAuthorize": "false",
        "LocalAuthorizeOffline": "true",
        "AllowOfflineTxForUnknownId": "false",
        "AuthorizationCacheEnabled": "true",
        "LocalAuthListEnabled": "true",
        "StopTransactionOnInvalidId": "true",
    },
}
"""What each mode sets (OCPP 1.6 sections 3.5 and 9.1); a policy's own `keys` go before it."""
FURTHER_KEYS: Final = ("MaxEnergyOnInvalidId", "AuthorizeRemoteTxRequests")
"""Keys that a policy may set beside those of its mode."""


class ListRule(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which tags stand in the local list; empty: all that are accepted."""

    groups: tuple[str, ...] = ()
    """Parents of tags, in any case."""
    prefix: str = ""
    """Beginning of tags, in any case."""
    refused: bool = False
    """Also those that are blocked, expired or invalid: a station that lets unknown tags charge offline must know them
    (OCPP 1.6 section 3.5.4)."""

    def takes(self, tag: IdTag, now: int) -> bool:
        """Tell whether a tag belongs into the list. One with hours never does: a list can't say when."""
        if tag.hours or not tag.id_tag.lower().startswith(self.prefix.lower()):
            return False
        if self.groups and tag.parent.lower() not in {name.lower() for name in self.groups}:
            return False
        return self.refused or (tag.status == "accepted" and not 0 < tag.expires_at <= now)


class AuthorizationPolicy(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How tags are authorized at the stations that match."""

    name: str
    mode: Mode
    priority: int = 100
    """Of several policies that match a station the higher one holds, then the name that comes first."""
    match: Match = Match()
    list: ListRule = ListRule()
    keys: dict[str, str] = {}
    """Configuration key -> value, in place of the mode's."""
    note: str = ""
    updated_at: int = 0

    @property
    def has_list(self) -> bool:
        """Whether its stations hold a local list."""
        return self.mode != "central"


class Policies(msgspec.Struct, frozen=True, omit_defaults=True):
    """The record `authorization`."""

    by_name: dict[str, AuthorizationPolicy] = {}


def policy_of(policies: Policies | None, station: StationRecord) -> AuthorizationPolicy | None:
    """Return the policy that holds for a station; None: none does, and the station is left as it is."""
    if policies is None:
        return None
    about = (station.vendor, station.model, station.firmware, station.group)
    matching = [one for one in policies.by_name.values() if one.match.takes(*about)]
    return min(matching, key=lambda one: (-one.priority, one.name), default=None)


def template_of(policy: AuthorizationPolicy) -> Template:
    """Return the template that sets what belongs to a policy's mode."""
    return Template(
        name=TEMPLATE_PREFIX + policy.name,
        priority=policy.priority,
        match=policy.match,
        keys=wanted_keys(policy),
        updated_at=policy.updated_at,
    )


def wanted_keys(policy: AuthorizationPolicy) -> dict[str, str]:
    """Return the configuration that belongs to a policy."""
    return {**KEYS[policy.mode], **policy.keys}


def in_force(policies: Iterable[AuthorizationPolicy]) -> list[AuthorizationPolicy]:
    """Return policies in the order in which they hold."""
    held = {one.name: one for one in policies}
    return [held[one.name.removeprefix(TEMPLATE_PREFIX)] for one in in_order(map(template_of, held.values()))]


def wants_the_same(one: AuthorizationPolicy, other: AuthorizationPolicy) -> bool:
    """Tell whether two versions of a policy set the same of stations: then nothing is set anew."""
    return (one.mode, one.priority, one.match, one.keys) == (other.mode, other.priority, other.match, other.keys)
