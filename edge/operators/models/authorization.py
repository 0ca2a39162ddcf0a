"""Authorization policies and local lists as operators see them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge.operators.models.tuning import StationCounts, TemplateMatch
from edge.operators.times import Instant, instant, iso
from shared.records import authorization as records
from shared.records.authorization import MAX_LISTED_TAG, Mode
from shared.records.local_lists import ListState
from shared.records.queries.authorization import ListNow, StationNow
from shared.records.tuning import TuningState

Text = Annotated[str, Meta(max_length=255)]


class ListRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tags stand in the local list: all conditions hold. Tags with `hours` never do: a list can't say when."""

    groups: Annotated[list[Text], Meta(max_length=1000, description="Parents of tags, in any case; empty: all.")] = []
    prefix: Annotated[
        str, Meta(max_length=MAX_LISTED_TAG, description="Beginning of tags, in any case; empty: all.")
    ] = ""
    refused: Annotated[
        bool, Meta(description="Also tags that are blocked, expired or invalid; else those that are accepted.")
    ] = False


class ListCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many stations hold the list how."""

    in_line: int = 0
    """They hold the newest version, by their own word."""
    behind: int = 0
    """They hold an older one, and are about to be sent the newest."""
    pending: int = 0
    partial: int = 0
    differs: int = 0
    refused: int = 0
    unsupported: int = 0


class PolicyList(msgspec.Struct, frozen=True, kw_only=True):
    """A policy's local list. Null where it has none, or it is being made."""

    version: int
    tags: int
    changed_at: Instant
    too_long: int
    """Tags that fit the rule and can't stand in a list, for they have more than 20 characters."""


class AuthorizationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How tags are authorized at the stations that match."""

    name: str
    mode: Mode
    priority: int
    """Of several policies that match a station the higher one holds, then the name that comes first."""
    match: TemplateMatch
    list: ListRule
    keys: dict[str, str]
    """What it sets in place of its mode's."""
    wanted_keys: dict[str, str]
    """All that it sets."""
    note: str | None
    updated_at: Instant
    """When what it sets was changed."""
    local_list: PolicyList | None
    stations: ListCounts
    """How its stations hold their lists."""
    configured: StationCounts
    """How its stations stand to the keys that it sets."""

    @classmethod
    def of(
        cls, record: records.AuthorizationPolicy, now: ListNow, configured: dict[TuningState, int]
    ) -> AuthorizationPolicy:
        """Show a record."""
        counts: dict[str, int] = {str(state): count for state, count in now.counts.items()}
        counts |= {"in_line": now.counts["in_line"] - now.behind, "behind": now.behind}
        return cls(
            name=record.name,
            mode=record.mode,
            priority=record.priority,
            match=TemplateMatch(**msgspec.structs.asdict(record.match)),
            list=msgspec.convert(msgspec.to_builtins(record.list), ListRule),
            keys=record.keys,
            wanted_keys=records.wanted_keys(record),
            note=record.note or None,
            updated_at=instant(record.updated_at),
            local_list=_list(now) if record.has_list else None,
            stations=ListCounts(**counts),
            configured=StationCounts(**configured),
        )


def _list(now: ListNow) -> PolicyList | None:
    head = now.head
    if head is None:
        return None
    return PolicyList(
        version=head.version, tags=head.count, changed_at=instant(head.changed_at), too_long=head.left_out
    )


class StationList(msgspec.Struct, frozen=True, kw_only=True):
    """How a station holds its local list: the version that is wanted, the one that it holds, and since when."""

    station_id: str
    policy: str | None
    """Whose list is wanted; null: none."""
    state: ListState
    """`in_line`: it holds what was wanted, by its own word. `pending`: it is being sent, or will be. `partial`: as much
    as it takes. `differs`: it keeps naming another version. `refused`: it takes none. `unsupported`: it has none."""
    since: Instant | None
    """Since when it stands so."""
    wanted: int | None
    """The list's version when the station was looked at last."""
    held: int | None
    """The version that it held whole last."""
    held_since: Instant | None
    number: int | None
    """What the station calls that (`listVersion`)."""
    verified_at: Instant | None
    """When it said so last."""
    tags: int
    """In what it holds, as far as is known."""
    left_out: int
    """For which it has no room."""
    sent: int | None
    """Tags that it has taken in the run that is under way; null: none is."""
    answer: str | None
    """What it said where it took something not."""

    @classmethod
    def of(cls, found: StationNow) -> StationList:
        """Show a station."""
        local = found.listed
        return cls(
            station_id=found.station.station_id,
            policy=local.policy or None,
            state=local.state,
            since=iso(local.since),
            wanted=local.wanted or None,
            held=local.version or None,
            held_since=iso(local.held_since),
            number=local.number or None,
            verified_at=iso(local.verified_at),
            tags=local.tags,
            left_out=local.left_out,
            sent=local.run.sent if local.run is not None else None,
            answer=local.answer or None,
        )
