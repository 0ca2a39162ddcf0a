"""The schemas of every message beside its type, and payloads made from them: valid ones, and ones with one fault."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import jsonschema
from jsonschema.protocols import Validator

from shared.ocpp.actions import Actions, actions_of
from shared.ocpp.messages import Message
from shared.ocpp.versions import OCPP16, OCPP21, OCPP201, Version

Schema = dict[str, Any]
FOLDERS = ((OCPP16, "v16"), (OCPP201, "v201"), (OCPP21, "v21"))
LETTERS = "abcXYZ019 -_.äß漢🔌"


@dataclass(frozen=True, repr=False)
class Case:
    """One message of one version: its schema, its validator and its type."""

    version: Version
    name: str
    schema: Schema
    validator: Validator
    cls: type[Message]

    @property
    def actions(self) -> Actions:
        """The version's tables."""
        return actions_of(self.version)

    def __repr__(self) -> str:
        """Return the name that pytest shows."""
        return f"{self.version.name}-{self.name}"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Keep Hypothesis from printing the whole schema."""
        printer.text(repr(self))


def exact_multiple(_validator: Any, step: Any, value: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    """Judge `multipleOf` in decimals: what jsonschema does with floats refuses 8.1."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and Fraction(repr(value)) % Fraction(repr(step)):
        yield jsonschema.ValidationError("no multiple")


def make_validator(schema: Schema) -> Validator:
    """Return a validator of the schema's own draft, exact in decimals."""
    base = jsonschema.validators.validator_for(schema)
    extend: Callable[..., Callable[[Schema], Validator]] = jsonschema.validators.extend
    return extend(base, {"multipleOf": exact_multiple})(schema)


@cache
def cases() -> tuple[Case, ...]:
    """Return every message of every version."""
    found = []
    for version, folder in FOLDERS:
        actions = actions_of(version)
        for path in sorted((files("ocpp") / folder / "schemas").iterdir(), key=lambda p: p.name):
            if not path.name.endswith(".json"):
                continue
            name = path.name.removesuffix(".json")
            schema = json.loads(path.read_text("utf-8-sig"))
            found.append(Case(version, name, schema, make_validator(schema), type_of(actions, name)))
    return tuple(found)


def type_of(actions: Actions, name: str) -> type[Message]:
    """Return the type of a schema by its file's name."""
    if name.endswith("Response"):
        return actions.requests[name.removesuffix("Response")].response
    action = name.removesuffix("Request")
    return actions.unconfirmed[action] if action in actions.unconfirmed else actions.requests[action]


def case_of(version: Version, name: str) -> Case:
    """Return one message by its schema's file name."""
    return next(case for case in cases() if case.version is version and case.name == name)


class Maker:
    """Makes payloads for one schema from one source of randomness."""

    def __init__(self, root: Schema, random: Random, often: float = 0.6) -> None:
        self.root = root
        # How often a member that is not required is there, shallow down; 9 means always.
        self.often = often
        self.random = random
        # (container, key, schema of the value) of all that was made, for the mutations; and beside it the name of the
        # definition that each belongs to, empty where it belongs to the message.
        self.places: list[tuple[Any, Any, Schema]] = []
        self.owners: list[str] = []
        self._owner = ""

    def resolve(self, schema: Schema) -> Schema:
        """Follow a reference."""
        if "$ref" in schema:
            return self.root["definitions"][schema["$ref"].rpartition("/")[2]]  # type: ignore[no-any-return]
        return schema

    def make(self, schema: Schema, depth: int = 0) -> Any:
        """Return a valid value."""
        if "$ref" in schema:
            outer, self._owner = self._owner, schema["$ref"].rpartition("/")[2]
            made = self.make(self.resolve(schema), depth)
            self._owner = outer
            return made
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        match schema.get("type"):
            case "object":
                return self.make_object(schema, depth)
            case "array":
                return self.make_array(schema, depth)
            case "string":
                return self.make_string(schema)
            case "integer" | "number":
                return self.make_number(schema)
            case "boolean":
                return self.random.random() < 0.5
        return self.random.choice([1, "x", [1, {"a": 2.5}], {"b": None}, True])

    def make_object(self, schema: Schema, depth: int) -> dict[str, Any]:
        """Return an object: all required members and, shallow down, some of the others."""
        made: dict[str, Any] = {}
        for name, member in schema.get("properties", {}).items():
            if name in schema.get("required", ()) or self.random.random() < self.often / (depth + 1):
                made[name] = self.make(member, depth + 1)
                self.places.append((made, name, member))
                self.owners.append(self._owner)
        if schema.get("additionalProperties") is not False and self.random.random() < 0.5:
            made["ours"] = {"deep": [1, None]}
        return made

    def make_array(self, schema: Schema, depth: int) -> list[Any]:
        """Return an array of its least number of items, or one or two more."""
        least = schema.get("minItems", 0)
        extra = 2 if self.often < 1 else 0
        most = min(schema.get("maxItems", least + extra), least + extra)
        items = [self.make(schema["items"], depth + 1) for _ in range(self.random.randint(least, most))]
        self.places += [(items, index, schema["items"]) for index in range(len(items))]
        self.owners += [self._owner] * len(items)
        return items

    def make_string(self, schema: Schema) -> str:
        """Return a string, sometimes of the greatest length."""
        if schema.get("format") == "date-time":
            return "2024-05-06T07:08:09.010Z"
        most = schema.get("maxLength", 30)
        length = most if self.random.random() < 0.2 else self.random.randint(0, min(most, 12))
        return "".join(self.random.choices(LETTERS, k=length))

    def make_number(self, schema: Schema) -> float:
        """Return a number within its bounds, sometimes at one, sometimes a whole float."""
        low, high = schema.get("minimum", -1000), schema.get("maximum", 10**6)
        value: float = self.random.choice([low, high, self.random.randint(int(low), int(high))])
        if schema["type"] == "integer":
            return int(value)
        if schema.get("multipleOf"):
            return round(self.random.randint(-1000, 10**6) * 0.1, 1)
        return value if self.random.random() < 0.5 else min(high, max(low, value + self.random.random()))


Mutation = Callable[[Maker, Any, Any, Schema], None]


def remove(_maker: Maker, container: Any, key: Any, _schema: Schema) -> None:
    """Remove a member or an item."""
    del container[key]


def replace(maker: Maker, container: Any, key: Any, _schema: Schema) -> None:
    """Put a value of some other type."""
    strays = [None, True, 0, -1, 7, 1.0, 2.5, 1e30, 10**25, "", "x", "12", "1.0", "TRUE", [], {}, [None], {"a": 1}]
    container[key] = copy.deepcopy(maker.random.choice(strays))


def add_unknown(_maker: Maker, container: Any, _key: Any, _schema: Schema) -> None:
    """Add a member that no schema knows."""
    if isinstance(container, dict):
        container["neverHeardOf"] = 1


def stretch(maker: Maker, container: Any, key: Any, schema: Schema) -> None:
    """Reach the bound, or go one beyond."""
    schema = maker.resolve(schema)
    value = container[key]
    if isinstance(value, str):
        most = schema.get("maxLength", len(value))
        container[key] = "🔌" * (most + maker.random.choice([0, 1, 40]))
    elif isinstance(value, list):
        most = schema.get("maxItems", len(value))
        container[key] = (value * (most + 1))[: maker.random.choice([0, most, most + 1])]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        bounds = [schema.get("minimum", -(10**6)) - 1, schema.get("maximum", 10**6) + 1, value + 0.05, float(value)]
        container[key] = maker.random.choice(bounds)


def recase(maker: Maker, container: Any, key: Any, _schema: Schema) -> None:
    """Change the letter case of a text."""
    if isinstance(container[key], str):
        container[key] = maker.random.choice([container[key].lower(), container[key].upper(), container[key] + " "])


MUTATIONS: tuple[Mutation, ...] = (remove, replace, add_unknown, stretch, recase)


def valid_payload(case: Case, random: Random) -> Any:
    """Return a payload that the schema allows."""
    return Maker(case.schema, random).make(case.schema)


def strange_payload(case: Case, random: Random) -> Any:
    """Return a payload with one change, which most often the schema does not allow."""
    maker = Maker(case.schema, random)
    payload = maker.make(case.schema)
    if not maker.places or random.random() < 0.05:
        return random.choice([None, [], "x", 1, {"neverHeardOf": payload}, payload])
    container, key, schema = random.choice(maker.places)
    random.choice(MUTATIONS)(maker, container, key, schema)
    return payload
