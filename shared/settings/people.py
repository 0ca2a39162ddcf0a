"""What people may do whom an issuer vouches for, as a setting says it: `ops=operate, admins=admin, *=read`."""

from typing import Final

ANY: Final = "*"
SCOPES: Final = ("read", "operate", "admin")


def scope_map(text: str) -> dict[str, str]:
    """Read `value=scope`, comma separated; raises ValueError that names the part that is wrong."""
    found: dict[str, str] = {}
    for part in (each.strip() for each in text.split(",") if each.strip()):
        value, equals, scope = (each.strip() for each in part.rpartition("="))
        if not equals or not value or scope not in SCOPES:
            raise ValueError(f"{part!r} is no `value=scope`; a scope is one of {', '.join(SCOPES)}")
        if value in found:
            raise ValueError(f"{value!r} stands there twice")
        found[value] = scope
    return found
