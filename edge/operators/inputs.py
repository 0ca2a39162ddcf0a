"""Parameters and bodies, parsed at the border: what is not declared is an error that names it."""

from __future__ import annotations

import asyncio
import re
from functools import cache
from typing import Any, Final

import msgspec
from aiohttp import web

from edge.operators.problems import FieldError, ProblemError, Where
from edge.operators.routes import Route

BODY_TIMEOUT_S: Final = 30.0
_AT: Final = re.compile(r"^(?P<message>.*) - at `\$\.?(?P<path>.*)`$", re.DOTALL)


def read_params(route: Route, request: web.Request) -> Any:
    """Return the struct of path and query parameters; raises `ProblemError` that names every wrong one."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(route.params)}
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, text in _given(route, request, frozenset(fields), errors):
        field = fields[name]
        try:
            values[field.name] = msgspec.convert(text, field.type, strict=False)
        except msgspec.ValidationError as error:
            where: Where = "path" if name in route.places else "query"
            errors.append(FieldError(where, name, plain(error)[1]))
    for name, field in fields.items():
        if field.required and field.name not in values and name not in {error.name for error in errors}:
            errors.append(FieldError("query", name, "is missing"))
    if errors:
        raise ProblemError.of_fields("bad_parameter", errors)
    return route.params(**values)


def _given(
    route: Route, request: web.Request, known: frozenset[str], errors: list[FieldError]
) -> list[tuple[str, str]]:
    given = list(request.match_info.items())
    names: set[str] = set()
    for name, text in request.query.items():
        if name not in known or name in route.places:
            takes = ", ".join(sorted(known - route.places)) or "none"
            errors.append(FieldError("query", name[:100], f"is no query parameter here; there are: {takes}"))
        elif name in names:
            errors.append(FieldError("query", name, "is given twice"))
        else:
            names.add(name)
            given.append((name, text))
    return given


async def read_body(route: Route, request: web.Request) -> Any:
    """Return the struct of a JSON body; raises `ProblemError` 400, 408, 413, 415 or 422."""
    check_media(request, route.body_media)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            data = await request.read()
    except TimeoutError:
        raise ProblemError("body_timeout", f"the body did not come within {BODY_TIMEOUT_S:.0f} s") from None
    try:
        return _decoder(route.body).decode(data)
    except msgspec.ValidationError as error:
        name, message = plain(error)
        raise ProblemError.of_field("bad_body", "body", name, message) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError("bad_json", f"the body is no JSON: {error}") from None


def check_media(request: web.Request, wanted: str) -> None:
    """Raise `ProblemError` 415 unless the body has the media type `wanted`."""
    if request.content_type != wanted:
        shown = request.content_type if "Content-Type" in request.headers else "nothing"
        raise ProblemError("unsupported_media_type", f"send `Content-Type: {wanted}`, not {shown[:100]}")


def plain(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return the field that msgspec refuses (empty: the whole) and why, without its Python words."""
    found = _AT.match(str(error))
    message, path = (found["message"], found["path"]) if found else (str(error), "")
    unknown = re.match(r"Object contains unknown field `(.*)`", message)
    if unknown:
        return (f"{path}.{unknown[1]}" if path else unknown[1])[:100], "is no field here"
    absent = re.match(r"Object missing required field `(.*)`", message)
    if absent:
        return f"{path}.{absent[1]}" if path else absent[1], "is missing"
    return path or "body", "is wrong: " + message[0].lower() + message[1:]


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
