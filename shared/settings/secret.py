"""Text that must not be shown: it masks itself in `str`, `repr`, f-strings and logs."""

import re
from typing import Final

MASK: Final = "***"
_USERINFO = re.compile(r"^([a-z+]+://)([^/@]*)@", re.IGNORECASE)


class Secret(str):
    """A string that shows as `***`; `reveal` gives the text, and only where it is used."""

    __slots__ = ()

    def reveal(self) -> str:
        """Return the text itself, as a plain `str`."""
        return str.__str__(self)

    def masked(self) -> str:
        """Return what may be shown; an empty secret shows as empty, so that people see that it is not set."""
        return MASK if len(self) else ""

    def __str__(self) -> str:
        return self.masked()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.masked()!r})"

    def __format__(self, spec: str) -> str:
        return format(self.masked(), spec)


class SecretUrl(Secret):
    """A URL that may hold a password; only that part is masked."""

    __slots__ = ()

    def masked(self) -> str:
        """Return the URL with `***` for the password; a user name stays."""
        return mask_url(self.reveal())


def mask_url(url: str) -> str:
    """Return `url` with its password, if it has one, as `***`."""
    found = _USERINFO.match(url)
    if not found or ":" not in found[2]:
        return url
    user = found[2].split(":", 1)[0]
    return f"{found[1]}{user}:{MASK}@{url[found.end() :]}"
