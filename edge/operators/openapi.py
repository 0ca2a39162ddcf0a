"""The OpenAPI 3.1 document, generated from the table of routes and the types that it names."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from edge.operators.eventdata import event_schema
from edge.operators.problems import KINDS, MEDIA_TYPE, Problem
from edge.operators.routes import Nothing, Route
from shared.records.events import EVENT_TYPES

_REF: Final = "#/components/schemas/{name}"
_DONE: Final = {200: "Done.", 201: "Created.", 202: "Accepted."}
_ALWAYS: Final = ("unauthenticated", "forbidden", "rate_limited", "unavailable")
_WITH_BODY: Final = ("bad_json", "body_timeout", "too_large", "unsupported_media_type", "bad_body")
_SECTIONS: Final = {
    "stations": "Charging stations, and what operators want of them.",
    "charging": "Connectors, transactions, meter values.",
    "profiles": "Charging profiles: what stations are allowed to draw.",
    "probes": "What stations' smart charging really does, found by trying.",
    "sites": "Trees of circuits and stations whose capacity is shared among those that charge.",
    "charts": "Limit, allocation and draw over time, as pictures.",
    "demand": "Demand response: a site or stations draw less for a while, and who complied.",
    "prices": "What energy costs by interval.",
    "commands": "What stations are sent, and what becomes of it.",
    "reservations": "Connectors that are kept for somebody.",
    "jobs": "One thing asked of many stations, a few at a time, with a result each.",
    "files": "What stations leave: diagnostics and logs; and the contents of firmware.",
    "firmware": "Images of firmware, and campaigns that bring them to stations.",
    "tags": "Id tags: who may charge.",
    "authorization": "Who decides about tags at which stations.",
    "local_lists": "Local authorization lists: which version is wanted of stations, and which they hold.",
    "configuration": "How stations are configured, and how that changed.",
    "templates": "How stations are wanted, by vendor, model, firmware and group.",
    "tuning": "How a station stands to that, and bringing it in line.",
    "drifts": "Changes of configurations that somebody should look at.",
    "models": "What models can do, and which rules hold for them.",
    "quarantine": "Frames that nobody understood, kept whole.",
    "events": "What happens, as it happens.",
    "summary": "A few numbers about everything.",
    "credentials": "What stations prove themselves by: keys and certificates.",
    "tokens": "Who may use this API.",
    "audit": "Who changed what, from where, with which outcome.",
    "security": "What stations and Ampstream noticed of attacks.",
}
_BEARER: Final = "`amp_...`, or a person's JWT of the issuer that `/auth.json` names; scopes read, operate, admin."
_EVENT_STREAM: Final = (
    "Server-sent events. `id:` is the position in the stream, `event:` the type, `data:` one JSON object: one of the "
    "schemas `Event.<type>`, or `{type: gap, after, first}` where events were lost."
)


def document(routes: Sequence[Route], url: str = "") -> dict[str, Any]:
    """Return the document; `url` is where people reach this API, empty: where they got the document."""
    schemas = _Schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ampstream",
            "version": importlib.metadata.version("ampstream"),
            "summary": "Charging stations, transactions and energy.",
            "description": "Times are ISO-8601 in UTC, energy is integer Wh. Lists go on with `cursor` = `next`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": url or "/"}],
        "tags": [{"name": name, "description": text} for name, text in _SECTIONS.items()],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, **_events()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": _BEARER}},
        },
    }


class _Schemas:
    """The schemas of every type in the table, made in one go so that they share components."""

    def __init__(self, routes: Sequence[Route]) -> None:
        kinds = list(_kinds(routes))
        found, self.components = msgspec.json.schema_components(kinds, ref_template=_REF)
        self._schemas = list(zip(kinds, found, strict=True))

    def of(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a type that the table names."""
        return dict(next(schema for known, schema in self._schemas if known is kind or known == kind))


def _kinds(routes: Sequence[Route]) -> Iterable[Any]:
    yield Problem
    for route in routes:
        yield from (kind for kind in (route.body, route.response) if kind is not None)
        yield from (field.type for field in msgspec.structs.fields(route.params))


def _operation(route: Route, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": getattr(route.handler, "__name__", route.summary),
        "summary": route.summary,
        "description": f"{route.description}\n\nNeeds the scope `{route.scope}`.",
        "tags": [route.section],
        "responses": {**_success(route, schemas), **_failures(route)},
        "x-scope": route.scope,
    }
    parameters = [_parameter(route, field, schemas) for field in msgspec.structs.fields(route.params)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        content = {"application/json": {"schema": schemas.of(route.body)}}
        operation["requestBody"] = {"required": True, "content": content}
    elif route.body_media != "application/json":
        content = {route.body_media: {"schema": {"type": "string"}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameter(route: Route, field: msgspec.structs.FieldInfo, schemas: _Schemas) -> dict[str, Any]:
    schema = schemas.of(field.type)
    in_path = field.encode_name in route.places
    if not in_path and not field.required and field.default not in (None, ""):
        schema["default"] = field.default
    found: dict[str, Any] = {
        "name": field.encode_name,
        "in": "path" if in_path else "query",
        "required": in_path or field.required,
        "schema": schema,
    }
    description = schema.pop("description", None)
    return {**found, "description": description} if description else found


def _success(route: Route, schemas: _Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.response is not None:
        content["application/json"] = {"schema": schemas.of(route.response)}
    for media in route.media:
        events = media == "text/event-stream"
        content[media] = {"schema": {"type": "string", **({"description": _EVENT_STREAM} if events else {})}}
    if not content:
        return {"204": {"description": "Done."}}
    statuses = (route.status, *route.also)
    return {str(status): {"description": _DONE[status], "content": content} for status in statuses}


def _failures(route: Route) -> dict[str, Any]:
    kinds = {*_ALWAYS, *route.errors}
    if route.params is not Nothing:
        kinds.add("bad_parameter")
    if route.body is not None:
        kinds.update(_WITH_BODY)
    elif route.body_media != "application/json":
        kinds.add("unsupported_media_type")
    by_status: dict[int, list[str]] = {}
    for name in sorted(kinds, key=lambda kind: (KINDS[kind].status, kind)):
        by_status.setdefault(KINDS[name].status, []).append(KINDS[name].title)
    content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}
    return {
        str(status): {"description": "; ".join(titles) + ".", "content": content}
        for status, titles in by_status.items()
    }


def _events() -> dict[str, Any]:
    """Return the schemas of all events, named by their types."""
    kinds = list(EVENT_TYPES.values())
    _, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    return {f"Event.{name}": event_schema(kind, components[kind.__name__]) for name, kind in EVENT_TYPES.items()}
