"""Templates: how stations are wanted, by vendor, model, firmware and group; fleet-wide, so no station's state.

All templates are one record, the string `templates`: there are few, a decision needs them all, and a change of several
readers' view is then one write. A meter data policy is a part of a template, so that one rule says which template wins.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, Final, Literal

import msgspec

from shared.records.stations import StationRecord

MAX_TEMPLATES: Final = 200
MAX_KEYS: Final = 200
MAX_REPEATS: Final = 3
"""Repetitions without a bound in a pattern: each more multiplies the time that a text of 255 characters may take."""
MANY: Final = 16
"""A repetition of more than so many counts as one without a bound."""
_parser: Final[Any] = import_module("re._parser")
RebootRule = Literal["when_idle", "never"]
"""What is done about a key that takes effect after a reboot: a reboot when nobody charges, or nothing."""


class Match(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which stations: regular expressions over the whole text, case-insensitive; empty takes all."""

    vendor: str = ""
    model: str = ""
    firmware: str = ""
    group: str = ""
    """A station's group, literally."""

    def takes(self, vendor: str, model: str, firmware: str, group: str) -> bool:
        """Tell whether a station is meant."""
        if self.group and self.group != group:
            return False
        pairs = ((self.vendor, vendor), (self.model, model), (self.firmware, firmware))
        return all(not pattern or _compiled(pattern).fullmatch(text) for pattern, text in pairs)


class MeterData(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What meter data is wanted; None: nothing is asked for. The order of a list is that of importance."""

    sampled: tuple[str, ...] | None = None
    """In MeterValues, every `sampled_interval_s`."""
    sampled_interval_s: int | None = None
    aligned: tuple[str, ...] | None = None
    """In MeterValues, at multiples of `aligned_interval_s` since midnight."""
    aligned_interval_s: int | None = None
    stop_sampled: tuple[str, ...] | None = None
    """In StopTransaction, sampled."""
    stop_aligned: tuple[str, ...] | None = None
    """In StopTransaction, clock-aligned."""


class Template(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is wanted of the stations that match."""

    name: str
    priority: int = 100
    """Where two templates want different things the higher one wins, then the name that comes first."""
    match: Match = Match()
    keys: dict[str, str] = {}
    """Configuration key -> value."""
    meter_data: MeterData = MeterData()
    reboot: RebootRule = "when_idle"
    note: str = ""
    version: int = 1
    """Counts the changes of what is wanted."""
    updated_at: int = 0
    """When the version was made (ms): differs for each, also where a name is used again."""


class Templates(msgspec.Struct, frozen=True, omit_defaults=True):
    """The record `templates`."""

    by_name: dict[str, Template] = {}


class MeterKeys(msgspec.Struct, frozen=True):
    """The configuration keys of a version that carry the fields of `MeterData`: field -> key."""

    lists: Mapping[str, str]
    intervals: Mapping[str, str]


class Wish(msgspec.Struct, frozen=True):
    """What is wanted of one key, and by whom."""

    key: str
    value: str
    template: str
    revision: int
    """The template's `updated_at`."""
    measurands: tuple[str, ...] | None = None
    """For a list of measurands: its items, in the order of their importance."""
    reboot: bool = True
    """Whether a reboot for its sake is allowed."""


class Conflict(msgspec.Struct, frozen=True):
    """Two templates want different things of one key."""

    key: str
    winner: str
    loser: str
    value: str
    """What the loser wants."""


class Desired(msgspec.Struct, frozen=True):
    """What all templates together want of one station."""

    wishes: dict[str, Wish] = {}
    """By the key's name in lower case."""
    templates: tuple[Template, ...] = ()
    """Those that match, the strongest first."""
    conflicts: tuple[Conflict, ...] = ()


def pattern_problem(pattern: str) -> str:
    """Return what is wrong with a pattern; empty: nothing.

    Stations choose the texts that it is held against, so one that may try for ever is wrong too: what repeats without
    a bound must hold neither repetitions nor alternatives, and there are no more than `MAX_REPEATS` of them.
    """
    try:
        tree = _parser.parse(pattern, re.IGNORECASE | re.DOTALL)
        re.compile(pattern)
        found = list(_repeats(tree))
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}"
    if any(nested for nested in found):
        return "repeats what repeats, or has alternatives: it might take for ever to match"
    return f"has more than {MAX_REPEATS} repetitions such as `.*`" if len(found) > MAX_REPEATS else ""


def _repeats(tree: Iterable[Any]) -> Iterator[bool]:
    """Yield for each repetition without a bound whether it holds what may match in several ways."""
    for operation, argument in tree:
        name = str(operation)
        if name.endswith("_REPEAT"):
            inner = list(_repeats(argument[2]))
            if argument[1] <= MANY:
                yield from inner
            else:
                yield bool(inner) or _has_branch(argument[2])
        else:
            for part in _parts(name, argument):
                yield from _repeats(part)


def _has_branch(tree: Iterable[Any]) -> bool:
    return any(
        str(operation) == "BRANCH" or any(_has_branch(part) for part in _parts(str(operation), argument))
        for operation, argument in tree
    )


def _parts(name: str, argument: Any) -> list[Any]:
    """Return the patterns inside one part of a pattern."""
    if name == "BRANCH":
        return list(argument[1])
    if name.endswith("_REPEAT"):
        return [argument[2]]
    if name in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
        return [argument[-1]]
    if name == "GROUPREF_EXISTS":
        return [part for part in argument[1:] if part is not None]
    return [argument] if name == "ATOMIC_GROUP" else []


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def desired(templates: Iterable[Template], meter: MeterKeys, station: StationRecord) -> Desired:
    """Merge the templates that match a station."""
    about = (station.vendor, station.model, station.firmware, station.group)
    matching = in_order(one for one in templates if one.match.takes(*about))
    wishes: dict[str, Wish] = {}
    conflicts: list[Conflict] = []
    for template in matching:
        for name, wish in wishes_of(template, meter).items():
            winner = wishes.setdefault(name, wish)
            if winner.value != wish.value:
                conflicts.append(Conflict(winner.key, winner.template, template.name, wish.value))
    return Desired(wishes, tuple(matching), tuple(conflicts))


def wishes_of(template: Template, meter: MeterKeys) -> dict[str, Wish]:
    """Return what one template wants, by key in lower case, its meter data as the keys that carry it."""
    reboot = template.reboot == "when_idle"

    def wish(key: str, value: str, measurands: tuple[str, ...] | None = None) -> Wish:
        return Wish(key, value, template.name, template.updated_at, measurands, reboot)

    found = {key.lower(): wish(key, value) for key, value in template.keys.items()}
    for field, key in meter.intervals.items():
        seconds = getattr(template.meter_data, field)
        if seconds is not None:
            found[key.lower()] = wish(key, str(seconds))
    for field, key in meter.lists.items():
        measurands = getattr(template.meter_data, field)
        if measurands is not None:
            found[key.lower()] = wish(key, ",".join(measurands), tuple(measurands))
    return found


def basis_of(wish: Wish, firmware: str) -> str:
    """Return what the memory of a wish stands on: where the template or the firmware changes, it is another."""
    text = f"{wish.template}\0{wish.revision}\0{firmware}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def wants_the_same(one: Template, other: Template) -> bool:
    """Tell whether two versions of a template differ in nothing that concerns a station."""
    names = ("priority", "match", "keys", "meter_data", "reboot")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def in_order(templates: Iterable[Template]) -> list[Template]:
    """Return templates in the order in which they win."""
    return sorted(templates, key=lambda one: (-one.priority, one.name))
