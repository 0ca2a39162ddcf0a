"""What a certificate is known by: serial number and issuer, in one spelling for whoever reads it."""

from __future__ import annotations

from collections.abc import Iterable


def issuer_text(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a distinguished name in one line, from `(commonName, value)` and the like, in their order."""
    return ",".join(f"{name}={value}" for name, value in pairs)


def certificate_id(serial: str, issuer: str) -> str:
    """Return what a certificate is revoked and listed by; `serial` is hexadecimal."""
    return f"{int(serial, 16):X}/{issuer}"
