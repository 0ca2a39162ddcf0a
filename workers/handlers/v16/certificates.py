"""SignCertificate, CertificateSigned, and a station's roots (OCPP 1.6 security white paper, A02, A03, M03 to M05)."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.ocpp.v16 import messages as v16
from shared.ocpp.v16.enums import GenericStatusEnumType, MessageTriggerEnumType
from shared.ocpp.versions import OCPP16
from shared.records.certificates import Root
from shared.records.commands import CommandRecord
from workers.handlers.registry import handles
from workers.services import certificates, commands
from workers.store.draft import Draft

_ORIGIN = "certificate_roots"
"""Of the question what roots a station has, after one was installed or deleted."""


@handles(v16.SignCertificateRequest)
def sign_certificate(draft: Draft, request: v16.SignCertificateRequest) -> v16.SignCertificateResponse:
    """Take a certificate signing request where an authority will look at it (A02.FR.03)."""
    status = GenericStatusEnumType
    taken = certificates.requested(draft, request.csr)
    return v16.SignCertificateResponse(status=status.ACCEPTED if taken else status.REJECTED)


def _signed(chain: str) -> tuple[str, dict[str, Any]]:
    return v16.CertificateSignedRequest.action, {"certificateChain": chain}


def _trigger() -> tuple[str, dict[str, Any]]:
    wanted = MessageTriggerEnumType.SIGN_CHARGE_POINT_CERTIFICATE.value
    return v16.ExtendedTriggerMessageRequest.action, {"requestedMessage": wanted}


certificates.WORDS[OCPP16.subprotocol] = certificates.Words(_signed, _trigger)


@commands.when_done(v16.GetInstalledCertificateIdsRequest.action)
def _listed(draft: Draft, command: CommandRecord) -> None:
    """Keep which roots a station has; NotFound means none of this use (M03)."""
    status = command.response.get("status") if isinstance(command.response, dict) else None
    if status not in ("Accepted", "NotFound"):
        return
    use = str(msgspec.json.decode(command.payload).get("certificateType", ""))
    found = command.response.get("certificateHashData") or []
    certificates.roots(draft, use, tuple(_root(use, one) for one in found if isinstance(one, dict)))


@commands.when_done(v16.InstallCertificateRequest.action)
def _installed(draft: Draft, command: CommandRecord) -> None:
    """Ask what the station has now (M05)."""
    if command.state == "accepted":
        _ask(draft, str(msgspec.json.decode(command.payload).get("certificateType", "")))


@commands.when_done(v16.DeleteCertificateRequest.action)
def _deleted(draft: Draft, command: CommandRecord) -> None:
    """Ask what is left of the uses that were known (M04)."""
    if command.state == "accepted":
        for use in sorted({one.use for one in draft.certificates.roots}):
            _ask(draft, use)


def _ask(draft: Draft, use: str) -> None:
    action = v16.GetInstalledCertificateIdsRequest.action
    commands.enqueue(draft, action, {"certificateType": use}, _ORIGIN)


def _root(use: str, found: dict[str, Any]) -> Root:
    def text(name: str) -> str:
        return str(found.get(name, ""))[:128]

    return Root(
        use=use,
        hash_algorithm=text("hashAlgorithm"),
        issuer_name_hash=text("issuerNameHash"),
        issuer_key_hash=text("issuerKeyHash"),
        serial_number=text("serialNumber"),
    )
