"""What the audit log may hold of a request: short, without secrets, and id tags as pseudonyms.

A pseudonym is keyed with the system's own pepper: the same tag always has the same one, so that "what was done to this
tag" can be asked, and who reads the log alone can't try tags out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from shared.records.configuration import MASK
from shared.records.drift_rules import SHIPPED, matches
from shared.urls import redact

MAX_TEXT: Final = 200
MAX_ITEMS: Final = 20
MAX_DEPTH: Final = 6
MAX_BYTES: Final = 4096
_TAGS: Final = frozenset(
    {"idtag", "idtags", "idtoken", "idtokens", "parent", "parentidtag", "groupidtoken", "groupidtag", "tag", "tags"}
)
_SECRETS: Final = (*SHIPPED.secrets, "key", "keyhash", "token", "pin", "*private*", "csr", "hash")
"""Beside names of configuration keys; `key` of a pair with `value` is such a name, and no secret."""
_WORDS: Final = re.compile(r"[^a-z0-9]")
_URL: Final = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{0,20}://\S+")


class Masker:
    """Masks by names; `pepper` keys the pseudonyms."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper

    def pseudonym(self, id_tag: str) -> str:
        """Return what stands for an id tag; letter case does not matter."""
        return "tag:" + hashlib.blake2b(id_tag.lower().encode(), key=self._pepper[:64], digest_size=8).hexdigest()

    def target(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return a path's parameters."""
        return {
            name: self.pseudonym(value) if _plain(name) in _TAGS else value[:MAX_TEXT] for name, value in values.items()
        }

    def details(self, given: Any) -> Any:
        """Return query and body as they may be kept; what is too large is replaced by its size."""
        found = self._any(msgspec.to_builtins(given), "", 0)
        size = len(msgspec.json.encode(found))
        return found if size <= MAX_BYTES else {"left_out": f"{size} bytes"}

    def _any(self, value: Any, name: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return "..."
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            items = list(value)
            shown = [self._any(one, name, depth + 1) for one in items[:MAX_ITEMS]]
            return [*shown, f"and {len(items) - MAX_ITEMS} more"] if len(items) > MAX_ITEMS else shown
        if name and value not in (None, "", False, True):
            if name in _TAGS:
                return self.pseudonym(str(value))
            if matches(name, _SECRETS):
                return MASK
        return _text(value) if isinstance(value, str) else value

    def _object(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        pair = next((each for each in ("key", "name") if isinstance(value.get(each), str) and "value" in value), "")
        secret = bool(pair) and matches(_plain(value[pair]), _SECRETS)
        shown: dict[str, Any] = {}
        for number, (name, one) in enumerate(value.items()):
            if number == MAX_ITEMS * 2:
                shown["..."] = f"{len(value) - number} more"
                break
            if secret and name == "value":
                shown[name] = MASK
            else:
                shown[str(name)[:MAX_TEXT]] = self._any(one, "" if name == pair else _plain(str(name)), depth + 1)
        return shown


def _plain(name: str) -> str:
    """Return a field's name in one spelling: `idTag`, `id_tag` and `Id-Tag` are one."""
    return _WORDS.sub("", name.lower())


def _text(value: str) -> str:
    shown = _URL.sub(lambda found: _url(found[0]), value)
    return shown if len(shown) <= MAX_TEXT else shown[:MAX_TEXT] + "..."


def _url(text: str) -> str:
    """Return a URL without user, password, query and the token of a link: each may be a credential."""
    try:
        parts = urlsplit(redact(text))
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, MASK if parts.query else "", ""))
    except ValueError:
        return MASK
