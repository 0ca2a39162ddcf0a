"""Revocation lists (RFC 5280 §5) that operators put beside the listener's other files."""

from __future__ import annotations

import re
from typing import Final

from cryptography import x509

from shared.certificates.names import certificate_id, issuer_text
from shared.certificates.reading import pairs_of

_PEM: Final = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


def read_lists(data: bytes) -> frozenset[str]:
    """Return the ids of all certificates on the lists of a PEM file; raises ValueError where there is none.

    A list that is past its `nextUpdate` counts on: what was revoked stays so. Its signature is not checked: whoever
    may write the file may as well write the bundle of authorities.
    """
    found = _PEM.findall(data)
    if not found:
        raise ValueError("no revocation list in PEM")
    ids: set[str] = set()
    for pem in found:
        try:
            read = x509.load_pem_x509_crl(pem)
            issuer = issuer_text(pairs_of(read.issuer))
            ids |= {certificate_id(f"{one.serial_number:X}", issuer) for one in read}
        except ValueError:
            raise ValueError("a revocation list can't be read") from None
    return frozenset(ids)
