"""What needs a choice per model, as data: no vendor is named in code.

    rules.py       which rules there are, what they mean, what values they take
    profiles.py    the files that give rules to models: read, and checked strictly
    *.toml         the files that are shipped, one per vendor; an operator's directory is read after them

A profile is matched on vendor, model and firmware as a BootNotification names them.
"""

from __future__ import annotations

from .profiles import Profile, ProfileError, given, load
from .rules import NO_RULE, RULES, Rule, problem

__all__ = ["NO_RULE", "RULES", "Profile", "ProfileError", "Rule", "given", "load", "problem"]
