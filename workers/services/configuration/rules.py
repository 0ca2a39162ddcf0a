"""The drift rules that hold: the operators', or those that are shipped."""

from __future__ import annotations

from shared.records.configuration import Change
from shared.records.drift_rules import SHIPPED, matches, secrets_of
from shared.records.drifts import DriftRule, DriftRules
from workers.store.draft import Draft
from workers.store.wants import WantDriftRules


def held(draft: Draft) -> DriftRules:
    """Return the fleet's rules."""
    found: DriftRules | None = draft.get(WantDriftRules())
    return SHIPPED if found is None else found


def secrets(draft: Draft) -> tuple[str, ...]:
    """Return the patterns of keys whose values are secrets."""
    return secrets_of(draft.get(WantDriftRules()))


def is_significant(change: Change, rules: DriftRules) -> bool:
    """Tell whether a change is a drift: the first rule that fits it decides, none: it is not."""
    return next((rule.significant for rule in rules.rules if _fits(change, rule)), False)


def _fits(change: Change, rule: DriftRule) -> bool:
    return (not rule.kinds or change.kind in rule.kinds) and matches(change.name, (rule.names,))
