"""URLs in texts: what in them lets somebody in is not for logs, answers, events or traces.

ftp://user:secret@host/f        ftp://user:***@host/f
https://secret@host/f           https://***@host/f
https://host/f?sig=secret       https://host/f?sig=***
…/transfer/<token>/f            …/transfer/***/f
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

MASK: Final = "***"
TRANSFER: Final = "/transfer/"
"""The path of a link to a file begins so; what follows is its token."""

_SCHEME: Final = r"\b[a-z][a-z0-9+.-]{0,20}://"
_USER: Final = re.compile(
    rf"({_SCHEME})([^/\s:@?#\[\"'<>]{{0,500}})"
    r"(:(?!\d{0,5}(?:[/?#\s\"'<>]|$))[^\s\"'<>]{0,500}|@[^/\s?#\"'<>]{0,500})?@",
    re.IGNORECASE,
)
"""People write passwords as they are: up to the last `@`, though it has one, or a slash, that should be encoded.

All is bounded: stations' words are among these texts, and none of them may cost more than its length.
"""
_QUERY: Final = re.compile(r"(://[^\s?#\"'<>]{0,1000})\?([^\s#\"'<>]+)")
_VALUE: Final = re.compile(r"=[^&;]*")
_TOKEN: Final = re.compile(re.escape(TRANSFER) + r"[A-Za-z0-9_.~-]+")


def redact(text: str) -> str:
    """Return a text whose URLs hold no password, no value of a query and no token of a link."""
    if "://" in text:
        text = _USER.sub(_user, text)
        text = _QUERY.sub(lambda found: f"{found[1]}?{_VALUE.sub('=' + MASK, found[2])}", text)
    return _TOKEN.sub(TRANSFER + MASK, text) if TRANSFER in text else text


def redact_all(value: Any) -> Any:
    """Return plain data (as of JSON) with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: redact_all(one) for name, one in value.items()}
    if isinstance(value, list):
        return [redact_all(one) for one in value]
    return value


def is_allowed(url: str, patterns: str) -> bool:
    """Tell whether one of `patterns` (comma separated: `scheme://host[:port]`, the host may begin with `*.`) fits.

    A pattern without a port fits the scheme's own port only; what is no URL fits none.
    """
    scheme, host, port = _parts(url)
    if not scheme or not host:
        return False
    return any(_fits(pattern.strip(), scheme, host, port) for pattern in patterns.split(",") if pattern.strip())


def malformed(patterns: str) -> list[str]:
    """Return those of `patterns` that name no scheme and host."""
    found = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    return [one for one in found if not all(_parts(one)[:2]) or urlsplit(one).path not in {"", "/"}]


def _fits(pattern: str, scheme: str, host: str, port: int | None) -> bool:
    wanted_scheme, wanted_host, wanted_port = _parts(pattern)
    if (scheme, port) != (wanted_scheme, wanted_port):
        return False
    if wanted_host.startswith("*."):
        return host.endswith(wanted_host[1:]) and host != wanted_host[1:]
    return host == wanted_host


def _parts(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port (None: the scheme's own); empty texts where there are none."""
    if any(one.isspace() or ord(one) < 32 for one in url) or "\\" in url:
        return "", "", None
    try:
        parts = urlsplit(url)
        scheme, port = parts.scheme.lower(), parts.port
        return scheme, (parts.hostname or "").rstrip("."), None if port == _PORTS.get(scheme) else port
    except ValueError:
        return "", "", None


def _user(found: re.Match[str]) -> str:
    scheme, user, password = found.groups()
    return f"{scheme}{user}:{MASK}@" if (password or "").startswith(":") else f"{scheme}{MASK}@"


_PORTS: Final = {"http": 80, "https": 443, "ftp": 21, "ftps": 990, "sftp": 22}
