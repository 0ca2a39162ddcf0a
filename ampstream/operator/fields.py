"""Words of a command line to the payload of an OCPP message: `type=Soft`, `chargingProfile.stackLevel=1`.

A path names members by dots and items by numbers (`period.0.limit` or `period[0].limit`). What the standard has as text
is taken as it stands (`idTag=0815`); everything else is JSON where it is some (`transactionId=7`, `key=["a","b"]`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import inspect

from shared.ocpp.paths import leaf

MAX_ITEMS: Final = 1000
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[([0-9]+)\]")


class FieldsError(ValueError):
    """A word that is no field, or does not go with the others."""


def payload(words: Sequence[str], kind: type[msgspec.Struct] | None) -> dict[str, Any]:
    """Return the payload that the words make; `kind` is the request's type where it is known.

    Raises `FieldsError`, which names the word.
    """
    made: dict[str, Any] = {}
    for word in words:
        path, equals, text = word.partition("=")
        if not equals or not path:
            raise FieldsError(f"`{word}` is no field: write name=value")
        steps = _steps(path)
        _place(made, steps, _value(text, leaf(kind, steps) if kind is not None else None), path)
    return made


def _steps(path: str) -> list[str]:
    steps, at = [], 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise FieldsError(f"`{path}` is no path: write name, name.name or name[0].name")
        steps.append(found[1] or found[2])
        at = found.end()
    return steps


def _value(text: str, kind: inspect.Type | None) -> Any:
    if isinstance(kind, (inspect.StrType, inspect.EnumType)):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _place(made: dict[str, Any], steps: Sequence[str], value: Any, path: str) -> None:
    """Put a value where the path says, making objects and lists on the way."""
    here: Any = made
    for step, after in zip(steps, (*steps[1:], None), strict=True):
        last = after is None
        fresh: Any = value if last else [] if after is not None and after.isdecimal() else {}
        if isinstance(here, list):
            here = _item(here, step, fresh, path)
        elif isinstance(here, dict):
            if last and step in here:
                raise FieldsError(f"`{path}` is given twice")
            here = here.setdefault(step, fresh)
        else:
            raise FieldsError(f"`{path}` leads through a plain value")


def _item(items: list[Any], step: str, fresh: Any, path: str) -> Any:
    if not step.isdecimal() or int(step) > min(len(items), MAX_ITEMS):
        raise FieldsError(f"`{path}`: items are numbered from 0, without a gap")
    if int(step) == len(items):
        items.append(fresh)
    return items[int(step)]
