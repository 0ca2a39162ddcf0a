"""Templates: how stations are wanted, fleet-wide; checked against the standard before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Cursor, Limit, Page
from edge.operators.models.tuning import MeterDataPolicy, Template, TemplateMatch, TemplateStation
from edge.operators.problems import FieldError, ProblemError
from edge.operators.resources import writing
from edge.operators.resources.lists import member, page, shown
from edge.operators.routes import Table
from edge.operators.serving import Answer
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.ocpp.standard_keys import (
    MAX_KEY,
    MAX_VALUE,
    METER_INTERVALS,
    METER_LISTS,
    measurand_problem,
    problem_of,
    spelt,
    standard_key,
)
from shared.records import templates as records
from shared.records.queries import templates
from shared.records.queries.templates import REGISTER
from shared.records.templates import MAX_KEYS, Match, MeterData, RebootRule
from shared.records.tuning import TuningState

TABLE: Final = Table("templates")
_route = TABLE.route

TemplateName = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of a template.")
]
_SECRET: Final = "AuthorizationKey"  # noqa: S105 - the key's name


class TemplatePath(msgspec.Struct, frozen=True, kw_only=True):
    """One template."""

    name: TemplateName


class TemplateBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template whole; what is absent gets its default."""

    priority: Annotated[int, Meta(ge=0, le=1000, description="The higher one wins.")] = 100
    match: TemplateMatch = TemplateMatch()
    keys: Annotated[
        dict[str, str], Meta(max_length=MAX_KEYS, description="Configuration key to value, as the station takes them.")
    ] = {}
    meter_data: MeterDataPolicy = MeterDataPolicy()
    reboot: RebootRule = "when_idle"
    note: Annotated[str, Meta(max_length=1000)] = ""

    def record(self, name: str, now: int) -> records.Template:
        """Return what is stored; raises `ProblemError` 422 that names every wrong field."""
        errors = [*writing.match_errors(self.match), *_key_errors(self.keys)]
        errors += _meter_errors(self.meter_data, self.keys)
        if not self.keys and self.meter_data == MeterDataPolicy():
            errors.append(FieldError("body", "keys", "is empty, and so is `meter_data`: nothing would be wanted"))
        if errors:
            raise ProblemError.of_fields("bad_body", errors)
        return records.Template(
            name=name,
            priority=self.priority,
            match=Match(**msgspec.structs.asdict(self.match)),
            keys={spelt(key): value.strip() for key, value in self.keys.items()},
            meter_data=msgspec.convert(msgspec.to_builtins(self.meter_data), MeterData),
            reboot=self.reboot,
            note=self.note,
            updated_at=now,
        )


class NewTemplate(TemplateBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template that must not exist yet."""

    name: TemplateName


class TemplateStations(TemplatePath, frozen=True, kw_only=True):
    """Whose stations, and which of them."""

    state: TuningState | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


@_route("GET", "/templates", "List templates", scope="read", response=Page[Template])
async def list_templates(call: Call[Any, None]) -> Page[Template]:
    """Return all templates, the strongest first, and how many stations stand how."""
    held = records.in_order((await REGISTER.every(call.lane)).values())
    return Page(await _shown(call.lane, held), None)


@_route(
    "POST", "/templates", "Create a template", scope="operate", body=NewTemplate, response=Template, status=201,
    errors=("conflict",),
)  # fmt: skip
async def create_template(call: Call[Any, NewTemplate]) -> Answer:
    """Want something of stations; it applies at each one's next boot or read of its configuration."""
    record = call.body.record(call.body.name, await now_ms(call.lane))
    await writing.create(call.lane, REGISTER, record)
    return Answer((await _shown(call.lane, [record]))[0], 201)


@_route(
    "GET", "/templates/{name}", "Show a template", scope="read", params=TemplatePath, response=Template,
    errors=("not_found",),
)  # fmt: skip
async def show_template(call: Call[TemplatePath, None]) -> Template:
    """Return a template, and how many stations stand how."""
    return (await _shown(call.lane, [await writing.known(call.lane, REGISTER, call.params.name)]))[0]


@_route(
    "PUT", "/templates/{name}", "Create or replace a template", scope="operate", params=TemplatePath,
    body=TemplateBody, response=Template, also=(201,), errors=("conflict",),
)  # fmt: skip
async def put_template(call: Call[TemplatePath, TemplateBody]) -> Answer:
    """Write a template whole. Where it wants something else its version rises, and refusals are forgotten."""
    record = call.body.record(call.params.name, await now_ms(call.lane))
    stored, status = await writing.put(call.lane, REGISTER, record)
    return Answer((await _shown(call.lane, [stored]))[0], status)


@_route(
    "DELETE", "/templates/{name}", "Delete a template", scope="operate", params=TemplatePath, status=204,
    errors=("not_found",),
)  # fmt: skip
async def delete_template(call: Call[TemplatePath, None]) -> None:
    """Forget a template; stations keep what it set."""
    await writing.delete(call.lane, REGISTER, call.params.name)


@_route(
    "GET", "/templates/{name}/stations", "List a template's stations", scope="read", params=TemplateStations,
    response=Page[TemplateStation], errors=("not_found",),
)  # fmt: skip
async def list_template_stations(call: Call[TemplateStations, None]) -> Page[TemplateStation]:
    """Return the stations that the template matched when their configuration was read, and what is not in line."""
    params, template = call.params, await writing.known(call.lane, REGISTER, call.params.name)
    query = ("templates", params.name, params.state)
    begin = member(params.cursor, *query, shape=re.compile(re.escape(params.name) + "/.+", re.DOTALL))
    found, after = await templates.stations(call.lane, template, params.state, begin, params.limit)
    return page(await shown(found, lambda one: TemplateStation.of(params.name, one)), after, *query)


async def _shown(lane: Lane, held: Iterable[records.Template]) -> list[Template]:
    some = list(held)
    return [Template.of(one, counts) for one, counts in zip(some, await templates.counts(lane, some), strict=True)]


# ── what is wrong with one ───────────────────────────────────────────────────────────────────────────────────────────


def _key_errors(keys: dict[str, str]) -> Iterator[FieldError]:
    seen: set[str] = set()
    for key, value in keys.items():
        problem = _key_problem(key, value)
        if key.lower() in seen:
            problem = "is there twice: configuration keys are the same in any case"
        seen.add(key.lower())
        if problem:
            yield FieldError("body", f"keys.{key[:MAX_KEY]}", problem)


def _key_problem(key: str, value: str) -> str:
    known, name = standard_key(key), key.lower()
    if not 0 < len(key) <= MAX_KEY or not key.isprintable():
        return f"must be a name of 1 to {MAX_KEY} printable characters"
    if len(value) > MAX_VALUE:
        return f"has a value of more than {MAX_VALUE} characters, which no message holds"
    if name == _SECRET.lower():
        return "is each station's own password: change a station's key instead"
    field = next((field for field, one in METER_LISTS.items() if one.lower() == name), "")
    if field:
        return f"is a list of measurands: say it as `meter_data.{field}`, so that the part that a station takes is set"
    return problem_of(known, value) if known is not None else ""


def _meter_errors(policy: MeterDataPolicy, keys: dict[str, str]) -> Iterator[FieldError]:
    names = {key.lower() for key in keys}
    for field, key in METER_INTERVALS.items():
        if getattr(policy, field) is not None and key.lower() in names:
            yield FieldError("body", f"meter_data.{field}", f"is there as `keys.{key}` too")
    for field in METER_LISTS:
        items: list[str] = getattr(policy, field) or []
        for item in items:
            if problem := measurand_problem(item):
                yield FieldError("body", f"meter_data.{field}", f"holds `{item}`, which {problem}")
        if len({item.lower() for item in items}) < len(items):
            yield FieldError("body", f"meter_data.{field}", "holds a measurand twice")
        if len(",".join(items)) > MAX_VALUE:
            yield FieldError("body", f"meter_data.{field}", f"is longer than {MAX_VALUE} characters in a message")
