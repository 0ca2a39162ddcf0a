"""The drift rules that are shipped (`drift_rules.toml`)."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Final

import msgspec

from .drifts import DriftRules


def _shipped() -> DriftRules:
    text = resources.files("shared.records").joinpath("drift_rules.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), DriftRules)


SHIPPED: Final = _shipped()
"""What holds where operators set no rules; its `secrets` hold always."""
