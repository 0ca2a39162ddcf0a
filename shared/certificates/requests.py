"""A station's signing request (PKCS#10), held against what may be signed (white paper, A00.FR.501 to 511, A02)."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from shared.certificates.errors import CertificateError

MAX_CHARACTERS: Final = 5500
"""What SignCertificate has room for (white paper §4.14)."""
RSA_BITS: Final = 2048
EC_BITS: Final = 224
"""112 bits of security (A00.FR.502, 503)."""
_WEAK: Final = frozenset({"md5", "sha1"})
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def check(csr: str, common_name: str, organisation: str) -> x509.CertificateSigningRequest:
    """Return the request; raises `CertificateError` that says why it may not be signed.

    Its key must be strong enough, its signature that key's, its common name the station's, and its organisation, where
    the operator has a name, the operator's. Whatever else it asks for is not given.
    """
    request = _load(csr)
    public_key(request)
    try:
        valid, digest = request.is_signature_valid, request.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        valid, digest = False, None
    if not valid:
        raise CertificateError("the request is not signed with its own key")
    if digest is not None and digest.name in _WEAK:
        raise CertificateError(f"the request is signed with {digest.name}")
    names = [str(one.value) for one in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [common_name]:
        raise CertificateError(f"the request's common name is not the station's, {common_name}")
    owners = [str(one.value) for one in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    if organisation and owners and owners != [organisation]:
        raise CertificateError(f"the request's organisation is not the operator, {organisation}")
    return request


def public_key(request: x509.CertificateSigningRequest) -> PublicKey:
    """Return the request's key; raises `CertificateError` where it is of another kind, or too short."""
    try:
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError("the request's key can't be read") from None
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < RSA_BITS:
            raise CertificateError(f"the request's RSA key has {key.key_size} bits; {RSA_BITS} is the least")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.key_size < EC_BITS:
            raise CertificateError(f"the request's key has {key.key_size} bits; {EC_BITS} is the least")
        return key
    raise CertificateError("the request's key is neither RSA nor of an elliptic curve")


def _load(csr: str) -> x509.CertificateSigningRequest:
    if len(csr) > MAX_CHARACTERS:
        raise CertificateError(f"the request is longer than {MAX_CHARACTERS} characters")
    try:
        return x509.load_pem_x509_csr(csr.encode())
    except ValueError:
        raise CertificateError("the request can't be read: it is no PKCS#10 in PEM") from None
