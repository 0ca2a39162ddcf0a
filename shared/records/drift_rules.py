"""The drift rules that are shipped (`drift_rules.toml`), and how their patterns are read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import translate
from functools import lru_cache
from importlib import resources
from typing import Final

import msgspec

from .configuration import MASK, Change, KeyValue
from .drifts import DriftRules


def _shipped() -> DriftRules:
    text = resources.files("shared.records").joinpath("drift_rules.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), DriftRules)


SHIPPED: Final = _shipped()
"""What holds where operators set no rules; its `secrets` hold always."""


def secrets_of(rules: DriftRules | None) -> tuple[str, ...]:
    """Return the patterns of keys whose values are secrets; the shipped ones are always among them."""
    return (*SHIPPED.secrets, *(rules.secrets if rules is not None else ()))


def masked(keys: Mapping[str, KeyValue], secrets: Iterable[str]) -> dict[str, KeyValue]:
    """Return the keys without the values of those that hold secrets."""
    patterns = tuple(secrets)
    return {
        name: KeyValue(MASK, one.readonly) if one.value and matches(name, patterns) else one
        for name, one in keys.items()
    }


@lru_cache(maxsize=16384)
def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether a name fits one of the patterns (`*`, `?`), in any case."""
    lower = name.lower()
    return any(_compiled(pattern.lower()).fullmatch(lower) for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.replace("[", "[[]")))


def concealed(changes: Iterable[Change], secrets: Iterable[str]) -> tuple[Change, ...]:
    """Return the changes without the values of keys that hold secrets."""
    patterns = tuple(secrets)
    return tuple(
        msgspec.structs.replace(one, before=one.before and MASK, after=one.after and MASK)
        if matches(one.name, patterns)
        else one
        for one in changes
    )
