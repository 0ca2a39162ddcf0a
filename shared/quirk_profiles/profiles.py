"""The files that give rules to models.

    [[profile]]
    vendor = "Example.*"                # regular expressions over the whole text, in any case
    model = "X(1|2)"                    # what is left out fits all
    why = "what it does without"
    rules = { command_timeout = "90" }

Every file is checked whole, and whatever is wrong is named with file and line: a rule that silently has no effect would
bill stations wrong.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec

from .rules import problem

_HEAD: Final = re.compile(r"^\s*\[\[\s*profile\s*\]\]", re.MULTILINE)


class ProfileError(ValueError):
    """Files that are not as they must be; the text has a line for each problem."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules of the models that match: regular expressions over the whole text, case-insensitive."""

    rules: dict[str, str]
    vendor: str = ".*"
    model: str = ".*"
    firmware: str = ".*"
    why: str = ""

    def fits(self, vendor: str, model: str, firmware: str) -> bool:
        """Tell whether a model is meant."""
        pairs = ((self.vendor, vendor), (self.model, model), (self.firmware, firmware))
        return all(re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL) for pattern, text in pairs)


def load(directory: str = "") -> tuple[Profile, ...]:
    """Return the profiles that are shipped, then those of an operator's directory (`*.toml`, by name).

    All that match a model apply, later ones win. Raises `ProfileError` that names every problem with file and line.
    """
    problems: list[str] = []
    found: list[Profile] = []
    for name, text in (*_shipped(), *_of_directory(directory, problems)):
        found += _read(name, text, problems)
    if problems:
        raise ProfileError(problems)
    return tuple(found)


def given(profiles: Iterable[Profile], vendor: str, model: str, firmware: str) -> dict[str, str]:
    """Return the rules that profiles give to a model."""
    rules: dict[str, str] = {}
    for profile in profiles:
        if profile.fits(vendor, model, firmware):
            rules.update(profile.rules)
    return rules


def _shipped() -> list[tuple[str, str]]:
    files = [one for one in resources.files(__package__).iterdir() if one.name.endswith(".toml")]
    return [(one.name, one.read_text(encoding="utf-8")) for one in sorted(files, key=lambda one: one.name)]


def _of_directory(directory: str, problems: list[str]) -> list[tuple[str, str]]:
    if not directory:
        return []
    if not Path(directory).is_dir():
        problems.append(f"{directory}: is no directory")
        return []
    found = []
    for path in sorted(Path(directory).glob("*.toml")):
        try:
            found.append((str(path), path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'it is no UTF-8 text'}")
    return found


def _read(name: str, text: str, problems: list[str]) -> list[Profile]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{name}: {error}")  # It names the line.
        return []
    if unknown := set(document) - {"profile"}:
        problems.append(f"{name}: {', '.join(sorted(unknown))}: a file holds [[profile]] tables alone")
    tables = document.get("profile", [])
    if not isinstance(tables, list):
        problems.append(f"{name}: profile: write [[profile]], with two brackets")
        return []
    lines = [text.count("\n", 0, match.end()) + 1 for match in _HEAD.finditer(text)]
    found = []
    for number, table in enumerate(tables):
        where = f"{name}:{lines[number]}" if len(lines) == len(tables) else f"{name}: profile {number + 1}"
        if (profile := _profile(where, table, problems)) is not None:
            found.append(profile)
    return found


def _profile(where: str, table: Any, problems: list[str]) -> Profile | None:
    try:
        profile = msgspec.convert(table, Profile)
    except msgspec.ValidationError as error:
        problems.append(f"{where}: {_plain(error)}")
        return None
    wrong = [f"rules: {text}" for name, value in profile.rules.items() if (text := problem(name, value))]
    if not profile.rules:
        wrong.append("rules: it has none")
    for field in ("vendor", "model", "firmware"):
        try:
            re.compile(getattr(profile, field))
        except re.error as error:
            wrong.append(f"{field}: is no regular expression: {error}")
    problems += [f"{where}: {one}" for one in wrong]
    return None if wrong else profile


def _plain(error: msgspec.ValidationError) -> str:
    """Return msgspec's words with the field first."""
    message, _, path = str(error).partition(" - at `$.")
    if unknown := re.search(r"unknown field `(.*)`", message):
        return f"{unknown[1]}: is no field here; there are: {', '.join(Profile.__struct_fields__)}"
    if absent := re.search(r"required field `(.*)`", message):
        return f"{absent[1]}: is missing"
    field = path.rstrip("`")
    hint = "; write the value as text, in quotes" if field.startswith("rules") else ""
    return f"{field}: {message[0].lower()}{message[1:]}{hint}"
