"""Where stations may be sent for files: our own port, and what AMPSTREAM_TRANSFER_ALLOWED names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.records.files_links import base_url
from shared.settings import Settings
from shared.urls import TRANSFER, is_allowed, redact

MAX_URL: Final = 512
"""What the security extension's messages have room for."""
_WHERE: Final[dict[str, tuple[str, ...]]] = {
    "UpdateFirmware": ("location",),
    "SignedUpdateFirmware": ("firmware", "location"),
    "GetDiagnostics": ("location",),
    "GetLog": ("log", "remoteLocation"),
}
"""Action -> where in its payload the location is."""


def wrong(settings: Settings, location: str) -> str:
    """Return why a station must not be sent to `location`; empty where it may."""
    if settings.transfer_dir and location.startswith(base_url(settings) + TRANSFER):
        return ""
    if len(location) > MAX_URL:
        return f"is longer than {MAX_URL} characters"
    if is_allowed(location, settings.transfer_allowed):
        return ""
    allowed = redact(settings.transfer_allowed) or "nothing"
    return f"is at a place that AMPSTREAM_TRANSFER_ALLOWED does not name; it allows {allowed}"


def location_of(action: str, payload: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name of the field of a payload that holds a location, and it; empty where the action has none."""
    path = _WHERE.get(action)
    if path is None:
        return "", ""
    found: Any = payload
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return ".".join(path), found if isinstance(found, str) else ""
