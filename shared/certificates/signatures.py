"""Signatures over firmware, as manufacturers make them (OCPP 1.6 security white paper, L01)."""

from __future__ import annotations

import base64
from collections.abc import Callable


def is_signed(digest: bytes, signature: str, certificate: str) -> bool:
    """Tell whether a signature (base64) over a file with this SHA-256 fits a certificate (PEM): RSA-PSS, RSA, ECDSA."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    kind = Prehashed(hashes.SHA256())
    try:
        key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
        data = base64.b64decode(signature)
    except ValueError:
        return False
    tries: list[Callable[[], None]] = []
    if isinstance(key, rsa.RSAPublicKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
        tries = [
            lambda: key.verify(data, digest, pss, kind),
            lambda: key.verify(data, digest, padding.PKCS1v15(), kind),
        ]
    elif isinstance(key, ec.EllipticCurvePublicKey):
        tries = [lambda: key.verify(data, digest, ec.ECDSA(kind))]
    for one in tries:
        try:
            one()
        except InvalidSignature:
            continue
        return True
    return False
