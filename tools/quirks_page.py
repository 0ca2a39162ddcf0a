"""`docs/quirks.md`: what deviates and is tolerated, the flags that tell of it, and the rules that models may need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared import metrics
from shared.ocpp.quirks import PAYLOAD_QUIRKS, TIME_QUIRKS
from shared.quirk_profiles import RULES, load
from workers.services.flags import MEANINGS, OF_STATIONS

_HEAD = f"""\
# Flags and quirks

Generated from `shared/ocpp/quirks.py`, `workers/services/flags.py` and `shared/quirk_profiles`.

Real stations deviate from the standard. A frame is read strictly first, by the standard's schema; where that refuses
it, a second, lenient reading takes what can be understood and notes how it deviates. Only what both refuse goes to
quarantine. A deviation is counted (`{metrics.QUIRKS.name}`, by kind) and remembered as a flag of the station
(`ampstream stations show`, and the event `station.flagged` the first time). What concerns one transaction is a flag of
that transaction as well.

A flag is `name` or `name:detail`; the detail names a field or an action, never a value."""
_RULES_HEAD = """\
What needs a choice is a rule of the station: its `quirk_profile` in the API (`PATCH /api/v1/stations/{station_id}`), a
map of rule to value (`ampstream stations update ID --quirk RULE=VALUE`). A rule that is not set has no effect."""
_PROFILES_HEAD = """\
Models that get rules by themselves: the files `*.toml` in `shared/quirk_profiles`, and further ones in the directory
that `AMPSTREAM_QUIRK_PROFILES_DIR` names, read when a worker starts; one that is wrong is refused, with file and line.
Then come the rules that operators set for a model ([models](models.md)), and what a station's own `quirk_profile` says
wins. `none` switches a rule off."""


def markdown() -> str:
    """Return the page."""
    parts = [
        _HEAD,
        "## Flags of payloads",
        _table(("flag", "meaning"), _flags(PAYLOAD_QUIRKS)),
        "## Flags of times",
        _table(("flag", "meaning"), _flags(TIME_QUIRKS)),
        "## Flags of transactions",
        _table(("flag", "meaning"), _flags(MEANINGS)),
        "## Further flags of stations",
        _table(("flag", "meaning"), _flags(OF_STATIONS)),
        "## Rules",
        _RULES_HEAD,
        _table(("rule", "value", "meaning"), _rules()),
        "## Profiles",
        _PROFILES_HEAD,
        _table(("vendor", "model", "firmware", "rules", "why"), _profiles()),
    ]
    return "\n\n".join(parts) + "\n"


def _flags(meanings: Mapping[str, str]) -> Iterable[tuple[str, ...]]:
    return ((f"`{name}`", text) for name, text in meanings.items())


def _rules() -> Iterable[tuple[str, ...]]:
    for name, rule in RULES.items():
        if rule.is_number:
            yield f"`{name}`", rule.expectation, rule.meaning
        for value, text in rule.values.items():
            yield f"`{name}`", f"`{value}`", text


def _profiles() -> Iterable[tuple[str, ...]]:
    for profile in load():
        rules = ", ".join(f"`{rule}: {value}`" for rule, value in profile.rules.items())
        yield (*(f"`{pattern}`" for pattern in (profile.vendor, profile.model, profile.firmware)), rules, profile.why)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    # A bar inside a cell would end it.
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)
