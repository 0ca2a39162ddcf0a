"""What a path into a message's JSON leads to: for words about its fields."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import inspect

_STEP: Final = re.compile(r"[^.\[\]]+")


def steps(path: str) -> list[str]:
    """Return the names and numbers of a path such as `period[0].limit`."""
    return _STEP.findall(path)


def leaf(kind: type[msgspec.Struct], path: Sequence[str]) -> inspect.Type | None:
    """Return the type of what the steps lead to, as msgspec describes it; None where it is not known."""
    here: inspect.Type = inspect.type_info(kind)
    for step in path:
        if isinstance(here, inspect.StructType):
            field = next((field for field in here.fields if field.encode_name == step), None)
            if field is None:
                return None
            here = field.type
        elif isinstance(here, inspect.VarTupleType):
            here = here.item_type
        else:
            return None
        if isinstance(here, inspect.Metadata):
            here = here.type
    return here


def allowed(kind: type[msgspec.Struct], path: str) -> tuple[str, ...]:
    """Return the values that an enumeration at `path` has; none where there is no enumeration."""
    found = leaf(kind, steps(path))
    return tuple(str(member.value) for member in found.cls) if isinstance(found, inspect.EnumType) else ()
