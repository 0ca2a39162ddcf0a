"""Interoperability over TLS: the `ocpp` package's ChargePoint with a key, then with a certificate that it asked for."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action, CertificateSignedStatus, GenericStatus, RegistrationStatus

from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.e2e.secured import ca_of, tls_url
from tests.e2e.test_interop import Socket
from tests.support import wait_until

NAME = "INTEROP-TLS"
KEY = ec.generate_private_key(ec.SECP256R1())


class Client(ChargePoint):  # type: ignore[misc]  # the package has no types
    """A station that keeps the certificate that it is brought."""

    chain = ""

    @on(Action.certificate_signed)  # type: ignore[untyped-decorator]
    def on_certificate_signed(self, certificate_chain: str, **_: Any) -> call_result.CertificateSigned:
        """Accept it."""
        self.chain = certificate_chain
        return call_result.CertificateSigned(status=CertificateSignedStatus.accepted)


def _csr() -> str:
    subject = [(NameOID.ORGANIZATION_NAME, "E2E Operator"), (NameOID.COMMON_NAME, NAME)]
    name = x509.Name([x509.NameAttribute(oid, text) for oid, text in subject])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(KEY, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


async def _session(system: System, context: ssl.SSLContext, key: bytes = b"", csr: str = "") -> str:
    """Dial in, boot, and ask for a certificate where a request is given; returns what came of that."""
    login = base64.b64encode(f"{NAME}:".encode() + key).decode()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Basic {login}"} if key else {}) as http,
        http.ws_connect(f"{tls_url(system)}/{NAME}", protocols=["ocpp1.6"], ssl=context) as websocket,
    ):
        client = Client(NAME, Socket(websocket))
        reading = asyncio.create_task(client.start())
        try:
            boot = await client.call(call.BootNotification(charge_point_model="One", charge_point_vendor="Acme"))
            assert boot.status == RegistrationStatus.accepted
            if csr:
                answer = await client.call(call.SignCertificate(csr=csr))
                assert answer.status == GenericStatus.accepted
                await wait_until(lambda: client.chain)
            return client.chain
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def test_from_a_key_to_a_certificate(system: System, operator: Operator, tmp_path: Path) -> None:
    """Profile 2 with the raw bytes of a key, a certificate by SignCertificate, profile 3 with it, and no way back."""
    status, made = await operator.request("POST", "/stations", json={"station_id": NAME, "make_key": True})
    assert status == 201
    key, context = bytes.fromhex(made["key"]), ssl.create_default_context(cafile=ca_of(system))
    chain = await _session(system, context, key, _csr())
    assert (await operator.get(f"/stations/{NAME}/credentials"))["security_profile"] == 2
    private = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    (tmp_path / "station.pem").write_text(chain + "\n" + private)
    own = ssl.create_default_context(cafile=ca_of(system))
    own.load_cert_chain(tmp_path / "station.pem")
    await _session(system, own)
    assert (await operator.get(f"/stations/{NAME}/credentials"))["security_profile"] == 3
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await _session(system, context, key)
    assert refused.value.status == 403
