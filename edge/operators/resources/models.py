"""Models: what their stations can do, the quirk rules that hold for them, and the operators' word, which wins."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Cursor, Limit, Page
from edge.operators.models.configuration import Model, ModelOverrides
from edge.operators.problems import FieldError, ProblemError, missing
from edge.operators.resources.lists import member, page, shown
from edge.operators.routes import Table
from shared.bus.clock import now_ms
from shared.quirk_profiles import Profile, ProfileError, load, problem
from shared.records.models import Overrides
from shared.records.queries import models
from shared.records.queries.models import ModelNow

TABLE: Final = Table("models")
_route = TABLE.route

Text = Annotated[str, Meta(max_length=255)]
LimitOf = Annotated[int, Meta(ge=0, le=1_000_000)]


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    vendor: Annotated[Text, Meta(description="Whole, in any case.")] = ""
    model: Annotated[Text, Meta(description="Whole, in any case.")] = ""
    limit: Limit = 100
    cursor: Cursor | None = None

    def takes(self, one: ModelNow) -> bool:
        """Tell whether a model is wanted."""
        pairs = ((self.vendor, one.model.vendor), (self.model, one.model.model))
        return all(not wanted or wanted.casefold() == text.casefold() for wanted, text in pairs)


class ModelPath(msgspec.Struct, frozen=True, kw_only=True):
    """One model."""

    key: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$", description="`key` of the list.")]


class GivenOverrides(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What operators say of a model, whole; what is absent is not said."""

    rules: Annotated[dict[str, Text], Meta(max_length=50, description="Quirk rules; `none` takes one away.")] = {}
    profiles: Annotated[list[Text], Meta(max_length=50)] | None = None
    connectors: Annotated[int, Meta(ge=1, le=128)] | None = None
    limits: Annotated[dict[str, LimitOf], Meta(max_length=50, description="Configuration key -> limit.")] = {}
    note: Annotated[str, Meta(max_length=1000)] = ""


@_route("GET", "/models", "List models", scope="read", params=ModelList, response=Page[Model])
async def list_models(call: Call[ModelList, None]) -> Page[Model]:
    """Return the models whose configuration was read, by vendor, model and firmware."""
    params, query = call.params, ("models", call.params.vendor, call.params.model)
    wanted = [one for one in await models.every(call.lane) if params.takes(one)]
    after = member(params.cursor, *query)
    keys = [one.key for one in wanted]
    begin = keys.index(after) + 1 if after in keys else 0
    some = wanted[begin : begin + params.limit]
    more = begin + params.limit < len(wanted)
    profiles = profiles_of(call)
    items = await shown(some, lambda one: Model.of(one, profiles))
    return page(items, some[-1].key if more else "", *query)


@_route("GET", "/models/{key}", "Show a model", scope="read", params=ModelPath, response=Model, errors=("not_found",))
async def show_model(call: Call[ModelPath, None]) -> Model:
    """Return what is known of a model."""
    return Model.of(await _known(call), profiles_of(call))


@_route(
    "GET", "/models/{key}/overrides", "Show a model's overrides", scope="read", params=ModelPath,
    response=ModelOverrides, errors=("not_found",),
)  # fmt: skip
async def show_overrides(call: Call[ModelPath, None]) -> ModelOverrides:
    """Return what operators say of a model."""
    return Model.of(await _known(call), ()).overrides


@_route(
    "PUT", "/models/{key}/overrides", "Replace a model's overrides", scope="admin", params=ModelPath,
    body=GivenOverrides, response=Model, errors=("not_found",),
)  # fmt: skip
async def put_overrides(call: Call[ModelPath, GivenOverrides]) -> Model:
    """Replace what operators say of a model; workers follow within seconds. An empty object takes all back."""
    body = call.body
    wrong = [
        FieldError("body", f"rules.{name[:64]}", text)
        for name, value in body.rules.items()
        if (text := problem(name, value))
    ]
    if wrong:
        raise ProblemError("bad_body", "; ".join(one.message for one in wrong), errors=wrong)
    await _known(call)
    said = Overrides(
        rules=body.rules,
        profiles=tuple(body.profiles) if body.profiles is not None else None,
        connectors=body.connectors,
        limits=body.limits,
        note=body.note,
        updated_at=await now_ms(call.lane),
        by=call.token.name,
    )
    await models.put_overrides(call.lane, call.params.key, said)
    return Model.of(await _known(call), profiles_of(call))


async def _known(call: Call[ModelPath, Any]) -> ModelNow:
    found = await models.one(call.lane, call.params.key)
    if found is None:
        raise missing("model", call.params.key)
    return found


def profiles_of(call: Call[Any, Any]) -> tuple[Profile, ...]:
    """Return the quirk profiles of the files."""
    return _of_files(call.parts.settings.quirk_profiles_dir)


@cache
def _of_files(directory: str) -> tuple[Profile, ...]:
    """Return the profiles of the files, as far as this process has them; workers decide, and refuse wrong ones."""
    try:
        return load(directory)
    except ProfileError:
        return load()
