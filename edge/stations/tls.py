"""The TLS that stations are offered: versions, suites, certificates, and who may sign a station's own.

Profiles 2 and 3 (OCPP 1.6 security white paper, A00.FR.3xx and 4xx). The four suites of A00.FR.318 and 421 are there,
with their forward-secret twins for RSA keys before them; nothing below TLS 1.2, no compression, no renegotiation, no
tickets: a resumed session would bring along a certificate that was revoked meanwhile. A certificate of each kind (RSA,
ECDSA) may be loaded at once; OpenSSL picks the one that the station can check.

Files are looked at now and then. What changed makes a new context for the handshakes to come; open sockets keep theirs,
and where the new files are wrong so do all.
"""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import Any, Final

import msgspec

from shared import metrics
from shared.certificates.errors import BadFiles
from shared.certificates.names import certificate_id, issuer_text
from shared.logs import get_logger
from shared.settings import Settings

SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
)
"""Of TLS 1.2, in the order of preference; TLS 1.3 has its own three."""
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_log = get_logger("edge.tls")


class Shown(msgspec.Struct, frozen=True):
    """The certificate that a station showed, its path verified: what the door looks at."""

    names: tuple[str, ...]
    """Its common names; where it has none, its DNS names."""
    organisations: tuple[str, ...]
    serial: str
    """Hexadecimal, without leading zeros."""
    issuer: str
    not_after: int
    """ms."""

    @property
    def id(self) -> str:
        """What it is revoked by."""
        return certificate_id(self.serial, self.issuer)


def shown_by(found: dict[str, Any] | None) -> Shown | None:
    """Read what `SSLObject.getpeercert` says of the station's certificate; None where it showed none."""
    if not found:
        return None
    subject = [pair for names in found.get("subject", ()) for pair in names]
    common = tuple(value for name, value in subject if name == "commonName")
    alternative = tuple(value for name, value in found.get("subjectAltName", ()) if name == "DNS")
    return Shown(
        names=common or alternative,
        organisations=tuple(value for name, value in subject if name == "organizationName"),
        serial=f"{int(found['serialNumber'], 16):X}",
        issuer=issuer_text(pair for names in found["issuer"] for pair in names),
        not_after=round(ssl.cert_time_to_seconds(found["notAfter"]) * 1000),
    )


class Tls:
    """Makes contexts from files and the built-in authority's root; `context` is the one for new handshakes.

    Raises `BadFiles` where the first ones can't be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._files = _files(settings.tls_certificates)
        self._root = ""
        self._stamp = self._look()
        self.revoked: frozenset[str] = self._read_revoked()
        """Ids of the certificates on the revocation lists of `tls_crl_file`."""
        self.context = self._make()
        self._show_end()

    def refresh(self, root: str | None = None, *, anyway: bool = False) -> bool:
        """Take what changed, `root` being the built-in authority's certificate; tells whether anything did.

        Files that can't be used are logged and leave everything as it is, until they change again.
        """
        root = self._root if root is None else root
        stamp = self._look()
        if not anyway and stamp == self._stamp and root == self._root:
            return False
        self._stamp, before = stamp, self._root
        self._root = root
        try:
            self.context, self.revoked = self._make(), self._read_revoked()
        except BadFiles as error:
            self._root = before
            _log.error("new certificates can't be used; the old ones stay", reason=str(error))
            return False
        self._show_end()
        _log.info("certificates read", files=len(self._files), revoked=len(self.revoked))
        return True

    def _show_end(self) -> None:
        """Let the metric tell when the first of the certificates ends."""
        from shared.certificates import reading

        ends = []
        for chain, _ in self._files:
            with contextlib.suppress(OSError, ValueError):
                ends.append(reading.read(reading.load(Path(chain).read_text(encoding="ascii"))).not_after / 1000)
        metrics.EDGE_TLS_CERTIFICATE_ENDS.labels().set(min(ends, default=0))

    def _look(self) -> tuple[tuple[str, int, int, int], ...]:
        """Return what tells that a file is another one.

        Its size as well: whoever still wrote it when it was read may have ended within one tick of its time.
        """
        names = [name for pair in self._files for name in pair if name]
        names += [name for name in (self._settings.tls_ca_file, self._settings.tls_crl_file) if name]
        stamps = []
        for name in names:
            try:
                found = Path(name).stat()
            except OSError:
                stamps.append((name, 0, 0, 0))
            else:
                stamps.append((name, found.st_mtime_ns, found.st_ino, found.st_size))
        return tuple(stamps)

    def _make(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[self._settings.tls_min_version]
        context.set_ciphers(":".join(SUITES))
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        context.num_tickets = 0
        for chain, key in self._files:
            try:
                # Without this a key with a passphrase would ask whoever sits at the terminal.
                context.load_cert_chain(chain, key or None, password=_no_passphrase)
            except (OSError, ValueError) as error:
                raise BadFiles(f"{chain}: {_reason(error)}") from None
        self._trust(context)
        return context

    def _trust(self, context: ssl.SSLContext) -> None:
        name = self._settings.tls_ca_file
        if not name and not self._root:
            return
        try:
            if name:
                context.load_verify_locations(name)
        except (OSError, ValueError) as error:
            raise BadFiles(f"{name}: {_reason(error)}") from None
        if self._root:
            context.load_verify_locations(cadata=self._root)
        # Stations of profile 2 have no certificate; who needs one, the door knows.
        context.verify_mode = ssl.CERT_OPTIONAL

    def _read_revoked(self) -> frozenset[str]:
        name = self._settings.tls_crl_file
        if not name:
            return frozenset()
        # Only who has such lists pays for the library.
        from shared.certificates.revocation import read_lists

        try:
            return read_lists(Path(name).read_bytes())
        except (OSError, ValueError) as error:
            raise BadFiles(f"{name}: {_reason(error)}") from None


def _files(setting: str) -> tuple[tuple[str, str], ...]:
    found = []
    for item in setting.split(","):
        chain, _, key = item.strip().partition(":")
        if chain:
            found.append((chain, key))
    return tuple(found)


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase; a listener's key must be readable")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no certificate with its key").lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error)
