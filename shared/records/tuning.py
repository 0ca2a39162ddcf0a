"""How a station is brought in line with what is wanted of it: templates, and the policy on meter data."""

from __future__ import annotations

import msgspec


class Tuned(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Section `tu`: what was set on a station, what it refused, and what is under way."""

    step: str = ""
    """What is under way; empty: nothing."""
