"""Every answer against the OpenAPI document that the listener serves."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, FormatChecker

from edge.operators.openapi import document
from edge.operators.resources import ROUTES

DOCUMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document(ROUTES)))
"""As it is served: JSON has lists where Python may have tuples."""
_MAY_HAPPEN_ANYWHERE = {404, 405, 500}
"""No route matched, or a fault of ours: declared nowhere, and still a Problem."""


def check(method: str, path: str, status: int, content_type: str, body: Any) -> None:
    """Fail unless the answer is declared for this operation and has the declared form."""
    responses = _responses(method, path.partition("?")[0])
    declared = responses.get(str(status))
    if declared is None:
        assert status in _MAY_HAPPEN_ANYWHERE, f"{method} {path}: {status} is not declared, only {sorted(responses)}"
        declared = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    content = declared.get("content")
    if content is None:
        assert body in ("", None), f"{method} {path}: {status} declares no body"
        return
    assert content_type in content, f"{method} {path}: {status} has {content_type}, declared {sorted(content)}"
    if content_type.endswith("json"):
        validate(content[content_type]["schema"], body)


def validate(schema: dict[str, Any], body: Any) -> None:
    """Fail unless `body` satisfies a schema of the document."""
    whole = {**schema, "components": DOCUMENT["components"]}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(body)


def _responses(method: str, path: str) -> dict[str, Any]:
    for pattern, operations in _patterns():
        if pattern.fullmatch("/api/v1" + path) and method.lower() in operations:
            found: dict[str, Any] = operations[method.lower()]["responses"]
            return found
    return {}


@cache
def _patterns() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    # Fixed paths first, as the router has them.
    paths = sorted(DOCUMENT["paths"], key=lambda path: "{" in path)
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), DOCUMENT["paths"][path]) for path in paths]
