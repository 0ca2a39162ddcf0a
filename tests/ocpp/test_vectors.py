"""Accept and reject vectors: every field of every message, at and beyond each of its bounds.

Where the property tests try payloads at random, these visit every place of a payload that has all its fields once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

import pytest

from shared.ocpp.payloads import PayloadError, encode, parse
from tests.ocpp.schemas import Case, Maker, Schema, cases

STRAYS: tuple[Any, ...] = (None, True, 7, 1.0, 2.5, "x", [], {})


@cache
def homes() -> dict[tuple[str, str], Case]:
    """Return the message in which each definition of each version is tried: the shortest that has it."""
    found: dict[tuple[str, str], tuple[int, Case]] = {}
    for case in cases():
        maker = Maker(case.schema, Random(1), often=9)
        size = len(json.dumps(maker.make(case.schema)))
        for owner in set(maker.owners):
            key = (case.version.name, owner)
            if key not in found or size < found[key][0]:
                found[key] = (size, case)
    return {key: case for key, (_, case) in found.items()}


def places(case: Case, maker: Maker) -> Iterator[tuple[Any, Any, Schema]]:
    """Yield the places that are tried in this message: its own fields, and those of the definitions at home here."""
    seen = set()
    for place, owner in zip(maker.places, maker.owners, strict=True):
        container, key, schema = place
        if owner and homes()[case.version.name, owner] is not case:
            continue
        this = (owner, key if isinstance(container, dict) else "", json.dumps(schema, sort_keys=True))
        if this not in seen:
            seen.add(this)
            yield place


def accepts(case: Case, payload: Any) -> bool:
    """Tell whether a payload is parsed without a flag."""
    try:
        return not parse(case.cls, json.dumps(payload).encode(), case.actions).flags
    except PayloadError:
        return False


def bounds(schema: Schema, value: Any) -> Iterator[Any]:
    """Yield values at and beyond the bounds that a field's schema sets."""
    if (most := schema.get("maxLength")) is not None:
        yield from ("🔌" * most, "x" * (most + 1))
    if "enum" in schema:
        yield schema["enum"][-1]
        yield from (schema["enum"][0].swapcase(), schema["enum"][0] + " ", "")
    for bound in (schema.get("minimum"), schema.get("maximum")):
        if bound is not None:
            yield from (bound, int(bound), bound - 1, bound + 1)
    if isinstance(value, list):
        yield from (value[:1] * count for count in (1, schema.get("maxItems", 1), schema.get("maxItems", 1) + 1))
    if "multipleOf" in schema:
        yield from (8.1, 8.15, 21.4, 21.44, 0.3)


@pytest.mark.parametrize("case", cases(), ids=str)
def test_every_field_has_the_verdict_of_its_schema(case: Case) -> None:
    """Absent, of another type, at a bound or beyond it: every field is judged as the schema judges it."""
    maker = Maker(case.schema, Random(1), often=9)
    payload = maker.make(case.schema)
    assert accepts(case, payload), payload
    # Every place is tried with the shortest texts elsewhere, and left as it was.
    for container, key, schema in maker.places:
        if isinstance(container[key], str) and "format" not in schema and "enum" not in maker.resolve(schema):
            container[key] = "t"
    for container, key, schema in places(case, maker):
        kept = container[key]
        for stray in (*STRAYS, *bounds(maker.resolve(schema), kept)):
            container[key] = stray
            assert accepts(case, payload) == case.validator.is_valid(payload), (key, str(stray)[:100], payload)
        if isinstance(container, dict):
            del container[key]
            assert accepts(case, payload) == case.validator.is_valid(payload), (key, payload)
            container["neverHeardOf"] = 1
            assert accepts(case, payload) == case.validator.is_valid(payload), (key, payload)
            del container["neverHeardOf"]
        container[key] = kept
    assert accepts(case, payload), "a place was not left as it was"


@pytest.mark.parametrize("case", cases(), ids=str)
def test_every_message_survives_with_all_its_fields_and_with_the_fewest(case: Case) -> None:
    """Full and minimal payloads encode to the same JSON."""
    for often in (9, 0):
        payload = Maker(case.schema, Random(2), often).make(case.schema)
        parsed = parse(case.cls, json.dumps(payload).encode(), case.actions)
        assert json.loads(encode(parsed.value)) == payload
