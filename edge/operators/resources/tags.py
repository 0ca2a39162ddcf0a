"""Id tags: who may charge. Answers name a tag where it was asked for; problems never do."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge.operators.call import Call
from edge.operators.models.base import Cursor, Limit, Page
from edge.operators.models.tags import Tag
from edge.operators.problems import ProblemError, missing
from edge.operators.resources.lists import member, page, shown
from edge.operators.routes import Table
from edge.operators.serving import Answer
from edge.operators.times import GivenInstant, milliseconds
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.records.authorization_hours import Hours, HoursError, is_zone
from shared.records.authorization_hours import parse as parse_hours
from shared.records.queries import tags
from shared.records.queries.tags import TagFilter, TagNow
from shared.records.tags import IdTag, TagStatus

TABLE: Final = Table("tags")
_route = TABLE.route

MAX_LENGTH: Final = 255
TagId = Annotated[
    str, Meta(min_length=1, max_length=MAX_LENGTH, pattern=r"^[^\x00-\x1f\x7f]+$", description="Case does not matter.")
]
ConcurrentLimit = Annotated[int, Meta(ge=0, le=1000, description="Transactions at a time; 0: no limit.")]


Sites = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=MAX_LENGTH)]],
    Meta(max_length=100, description="Sites, or groups of stations, where it may charge, in any case; empty: all."),
]
HoursText = Annotated[
    str,
    Meta(
        max_length=2000,
        description="When it may begin to charge: windows of local time such as `mon-fri 08:00-18:00; "
        "sat 09:00-12:00`; empty: always.",
    ),
]
ZoneText = Annotated[
    str, Meta(max_length=64, description="IANA name of the zone that `hours` are in; empty: the station's own.")
]


def read_hours(text: str) -> tuple[Hours, ...]:
    """Return the windows of a text; raises `ProblemError` 422."""
    try:
        return parse_hours(text)
    except HoursError as error:
        raise ProblemError.of_field("bad_body", "body", "hours", str(error)) from None


def read_zone(name: str) -> str:
    """Return a time zone's name; raises `ProblemError` 422 for one that is not known."""
    if name and not is_zone(name):
        raise ProblemError.of_field("bad_body", "body", "time_zone", "is no time zone; write it as Europe/Berlin")
    return name


class TagList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    q: Annotated[str, Meta(max_length=MAX_LENGTH, description="Beginning of the tag.")] = ""
    status: TagStatus | None = None
    parent: Annotated[str, Meta(max_length=MAX_LENGTH, description="Whole, in any case.")] = ""
    limit: Limit = 100
    cursor: Cursor | None = None


class TagPath(msgspec.Struct, frozen=True, kw_only=True):
    """One tag."""

    id_tag: TagId


class TagBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tag whole; what is absent gets its default."""

    status: TagStatus = "accepted"
    expires_at: GivenInstant | None = None
    parent: Annotated[str, Meta(max_length=MAX_LENGTH)] = ""
    concurrent_limit: ConcurrentLimit = 0
    note: Annotated[str, Meta(max_length=1000)] = ""
    sites: Sites = []
    hours: HoursText = ""
    time_zone: ZoneText = ""

    def record(self, id_tag: str, now: int) -> IdTag:
        """Return what is stored."""
        return IdTag(
            id_tag=id_tag,
            status=self.status,
            expires_at=milliseconds(self.expires_at) if self.expires_at else 0,
            parent=self.parent,
            concurrent_limit=self.concurrent_limit,
            note=self.note,
            updated_at=now,
            sites=tuple(self.sites),
            hours=read_hours(self.hours),
            time_zone=read_zone(self.time_zone),
        )


class NewTag(TagBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tag that must not exist yet."""

    id_tag: TagId


class TagChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of a tag; what is absent stays."""

    status: TagStatus | UnsetType = UNSET
    expires_at: GivenInstant | UnsetType | None = UNSET
    parent: Annotated[str, Meta(max_length=MAX_LENGTH)] | UnsetType = UNSET
    concurrent_limit: ConcurrentLimit | UnsetType = UNSET
    note: Annotated[str, Meta(max_length=1000)] | UnsetType = UNSET
    sites: Sites | UnsetType = UNSET
    hours: HoursText | UnsetType = UNSET
    time_zone: ZoneText | UnsetType = UNSET


@_route("GET", "/tags", "List id tags", scope="read", params=TagList, response=Page[Tag])
async def list_tags(call: Call[TagList, None]) -> Page[Tag]:
    """Return id tags by name, with the filters that are set."""
    params = call.params
    wanted = TagFilter(q=params.q, status=params.status, parent=params.parent)
    query = ("tags", wanted)
    found, after = await tags.page(call.lane, wanted, member(params.cursor, *query), params.limit)
    return page(await shown(found, Tag.of), after, *query)


@_route(
    "POST", "/tags", "Create an id tag", scope="operate", body=NewTag, response=Tag, status=201, errors=("conflict",)
)
async def create_tag(call: Call[Any, NewTag]) -> Answer:
    """Make a tag known that is not."""
    record = call.body.record(call.body.id_tag, await now_ms(call.lane))
    if not await tags.create(call.lane, record):
        raise ProblemError("conflict", "the id tag exists")
    return Answer(await _show(call.lane, record.id_tag), 201)


@_route("GET", "/tags/{id_tag}", "Show an id tag", scope="read", params=TagPath, response=Tag, errors=("not_found",))
async def show_tag(call: Call[TagPath, None]) -> Tag:
    """Return a tag, and how many transactions it holds."""
    return await _show(call.lane, call.params.id_tag)


@_route(
    "PUT", "/tags/{id_tag}", "Create or replace an id tag", scope="operate", params=TagPath, body=TagBody,
    response=Tag, also=(201,),
)  # fmt: skip
async def put_tag(call: Call[TagPath, TagBody]) -> Answer:
    """Write a tag whole: 201 where it is new, else 200."""
    record = call.body.record(call.params.id_tag, await now_ms(call.lane))
    (new,) = await tags.put(call.lane, [record])
    return Answer(await _show(call.lane, record.id_tag), 201 if new else 200)


@_route(
    "PATCH", "/tags/{id_tag}", "Change an id tag", scope="operate", params=TagPath, body=TagChange, response=Tag,
    errors=("not_found",),
)  # fmt: skip
async def change_tag(call: Call[TagPath, TagChange]) -> Tag:
    """Change the fields that are given; what is absent stays."""
    fields = {name: value for name, value in msgspec.structs.asdict(call.body).items() if value is not UNSET}
    if "expires_at" in fields:
        fields["expires_at"] = milliseconds(fields["expires_at"]) if fields["expires_at"] else 0
    if "sites" in fields:
        fields["sites"] = tuple(fields["sites"])
    if "hours" in fields:
        fields["hours"] = read_hours(fields["hours"])
    if "time_zone" in fields:
        fields["time_zone"] = read_zone(fields["time_zone"])
    fields["updated_at"] = await now_ms(call.lane)
    changed = await tags.change(call.lane, call.params.id_tag, lambda tag: msgspec.structs.replace(tag, **fields))
    if changed is None:
        raise missing("such id tag")
    return await _show(call.lane, changed.id_tag)


@_route(
    "DELETE", "/tags/{id_tag}", "Delete an id tag", scope="operate", params=TagPath, status=204, errors=("not_found",)
)
async def delete_tag(call: Call[TagPath, None]) -> None:
    """Forget a tag; transactions that it holds go on."""
    if not await tags.delete(call.lane, call.params.id_tag):
        raise missing("such id tag")


async def _show(lane: Lane, id_tag: str) -> Tag:
    found: TagNow | None = await tags.tag(lane, id_tag)
    if found is None:
        raise missing("such id tag")
    return Tag.of(found)
