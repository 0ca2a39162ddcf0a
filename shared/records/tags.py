"""Id tags: who may charge."""

from __future__ import annotations

from typing import Literal

import msgspec

from .authorization_hours import Hours

TagStatus = Literal["accepted", "blocked", "expired", "invalid"]


class IdTag(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An id tag: key `t:{id}:record`; tags are compared in lower case (OCPP 1.6 CiString20: case-insensitive)."""

    id_tag: str
    status: TagStatus = "accepted"
    expires_at: int = 0
    """0: never."""
    parent: str = ""
    """The group; sent as parentIdTag."""
    concurrent_limit: int = 0
    """How many transactions it may hold at a time; 0: no limit."""
    note: str = ""
    updated_at: int = 0
    sites: tuple[str, ...] = ()
    """Names of the sites, or of groups of stations, where it may charge, in any case; empty: everywhere."""
    hours: tuple[Hours, ...] = ()
    """When it may begin to charge; empty: always."""
    time_zone: str = ""
    """IANA name that `hours` are in; empty: the station's own."""

    def is_for(self, places: frozenset[str]) -> bool:
        """Tell whether it may charge at a station of these sites and groups (names in lower case)."""
        return not self.sites or any(name.lower() in places for name in self.sites)


class Judgement(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What came of asking the external authorizer: its word, or none and why (`timeout`, `busy`, ...)."""

    verdict: Verdict | None = None
    problem: str = ""


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the external authorizer said of a tag: key `t:{id}:verdict`, as long as it may be used."""

    status: str
    """As it is told to stations: `Accepted`, `Blocked`, `Expired`, `Invalid`, `ConcurrentTx`."""
    at: int = 0
    """When it was used first (Redis ms)."""
    expires_at: int = 0
    """The tag's own expiry; 0: never."""
    parent: str = ""
