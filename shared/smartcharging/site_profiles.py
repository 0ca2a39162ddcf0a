"""How the profiles that a site's allocator sets are told from others: by their name, which no library has."""

from __future__ import annotations

from typing import Final

from shared.records.profiles import Assigned

PREFIX: Final = "site:"


def name_of(site: str) -> str:
    """Return the name under which a site's profiles stand on stations."""
    return PREFIX + site


def is_of(site: str, assigned: Assigned) -> bool:
    """Tell whether a site's allocator set a profile."""
    return assigned.name == PREFIX + site


def site_of(assigned: Assigned) -> str:
    """Return the site whose allocator set a profile; empty: none did."""
    return assigned.name[len(PREFIX) :] if assigned.name.startswith(PREFIX) else ""
