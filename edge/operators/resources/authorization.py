"""Authorization policies: who decides about tags at which stations, and what is configured with that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.authorization import AuthorizationPolicy, ListRule
from edge.operators.models.base import Page
from edge.operators.models.tuning import TemplateMatch
from edge.operators.problems import FieldError, ProblemError
from edge.operators.resources import writing
from edge.operators.routes import Table
from edge.operators.serving import Answer
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.ocpp.standard_keys import problem_of, spelt, standard_key
from shared.records import authorization as records
from shared.records.authorization import FURTHER_KEYS, KEYS, Mode
from shared.records.queries import authorization as policies
from shared.records.queries import templates
from shared.records.queries.authorization import REGISTER
from shared.records.templates import Match

TABLE: Final = Table("authorization")
_route = TABLE.route

PolicyName = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of a policy.")
]
_SETTABLE: Final = (*KEYS["central"], *FURTHER_KEYS)


class PolicyPath(msgspec.Struct, frozen=True, kw_only=True):
    """One policy."""

    name: PolicyName


class PolicyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy whole; what is absent gets its default."""

    mode: Annotated[
        Mode,
        Meta(
            description="`central`: Ampstream is asked each time. `local`: the station decides by its list. `hybrid`: "
            "Ampstream is asked, and the list decides where it cannot be."
        ),
    ]
    priority: Annotated[int, Meta(ge=0, le=1000, description="The higher one holds.")] = 100
    match: TemplateMatch = TemplateMatch()
    list: ListRule = ListRule()
    keys: Annotated[
        dict[str, str],
        Meta(description=f"Configuration keys in place of the mode's; there are {', '.join(_SETTABLE)}."),
    ] = {}
    note: Annotated[str, Meta(max_length=1000)] = ""

    def record(self, name: str, now: int) -> records.AuthorizationPolicy:
        """Return what is stored; raises `ProblemError` 422 that names every wrong field."""
        errors = [*writing.match_errors(self.match), *_key_errors(self.keys), *_list_errors(self)]
        if errors:
            raise ProblemError.of_fields("bad_body", errors)
        return records.AuthorizationPolicy(
            name=name,
            mode=self.mode,
            priority=self.priority,
            match=Match(**msgspec.structs.asdict(self.match)),
            list=records.ListRule(groups=tuple(self.list.groups), prefix=self.list.prefix, refused=self.list.refused),
            keys={spelt(key): value.strip() for key, value in self.keys.items()},
            note=self.note,
            updated_at=now,
        )


class NewPolicy(PolicyBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy that must not exist yet."""

    name: PolicyName


@_route(
    "GET", "/authorization/policies", "List authorization policies", scope="read", response=Page[AuthorizationPolicy]
)
async def list_authorization_policies(call: Call[Any, None]) -> Page[AuthorizationPolicy]:
    """Return all policies, the strongest first, with their lists and how stations hold them."""
    return Page(await _shown(call.lane, records.in_force((await REGISTER.every(call.lane)).values())), None)


@_route(
    "POST", "/authorization/policies", "Create an authorization policy", scope="operate", body=NewPolicy,
    response=AuthorizationPolicy, status=201, errors=("conflict",),
)  # fmt: skip
async def create_authorization_policy(call: Call[Any, NewPolicy]) -> Answer:
    """Say how tags are authorized at stations. Keys are set at the next boot or read, lists are sent at once."""
    record = call.body.record(call.body.name, await now_ms(call.lane))
    await writing.create(call.lane, REGISTER, record)
    return Answer((await _shown(call.lane, [record]))[0], 201)


@_route(
    "GET", "/authorization/policies/{name}", "Show an authorization policy", scope="read", params=PolicyPath,
    response=AuthorizationPolicy, errors=("not_found",),
)  # fmt: skip
async def show_authorization_policy(call: Call[PolicyPath, None]) -> AuthorizationPolicy:
    """Return a policy with its list and how stations hold it."""
    found = await writing.known(call.lane, REGISTER, call.params.name)
    return (await _shown(call.lane, [found]))[0]


@_route(
    "PUT", "/authorization/policies/{name}", "Create or replace an authorization policy", scope="operate",
    params=PolicyPath, body=PolicyBody, response=AuthorizationPolicy, also=(201,), errors=("conflict",),
)  # fmt: skip
async def put_authorization_policy(call: Call[PolicyPath, PolicyBody]) -> Answer:
    """Write a policy whole. What it sets is set at the next boot or read, or by applying templates."""
    record = call.body.record(call.params.name, await now_ms(call.lane))
    stored, status = await writing.put(call.lane, REGISTER, record)
    return Answer((await _shown(call.lane, [stored]))[0], status)


@_route(
    "DELETE", "/authorization/policies/{name}", "Delete an authorization policy", scope="operate", params=PolicyPath,
    status=204, errors=("not_found",),
)  # fmt: skip
async def delete_authorization_policy(call: Call[PolicyPath, None]) -> None:
    """Forget a policy; its stations' lists are emptied, what it has configured stays."""
    await writing.delete(call.lane, REGISTER, call.params.name)


async def _shown(lane: Lane, held: Iterable[records.AuthorizationPolicy]) -> list[AuthorizationPolicy]:
    some = list(held)
    lists = await policies.lists(lane, [one.name for one in some]) if some else []
    counts = await templates.counts(lane, [records.template_of(one) for one in some]) if some else []
    return [AuthorizationPolicy.of(*one) for one in zip(some, lists, counts, strict=True)]


def _key_errors(keys: dict[str, str]) -> Iterator[FieldError]:
    allowed = {name.lower() for name in _SETTABLE}
    seen: set[str] = set()
    for key, value in keys.items():
        known = standard_key(key)
        if key.lower() not in allowed or known is None:
            yield FieldError("body", f"keys.{key[:50]}", f"is none of authorization; there are {', '.join(_SETTABLE)}")
        elif key.lower() in seen:
            yield FieldError("body", f"keys.{key[:50]}", "is there twice: configuration keys are the same in any case")
        elif problem := problem_of(known, value.strip()):
            yield FieldError("body", f"keys.{key[:50]}", problem)
        seen.add(key.lower())


def _list_errors(body: PolicyBody) -> Iterator[FieldError]:
    if body.mode == "central" and body.list != ListRule():
        yield FieldError("body", "list", "is for the modes local and hybrid: central has no list")
