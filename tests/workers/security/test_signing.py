"""The worker's signer on a real Valkey: one lease, a key that is made once, an external authority that may be ill."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared import envelopes
from shared.bus import keys
from shared.bus.lane import Lane
from shared.certificates import authority, reading
from shared.records.certificates import SigningRequest
from shared.records.packing import pack, unpack
from shared.records.requests import IssueCertificate
from shared.settings import load
from tests.support import lasting
from tests.workers.security.test_certificates import RSA_KEY, csr
from workers.jobs import signing
from workers.jobs.signing import Signer


def signer(lane: Lane, holder: str = "w1", **changes: str) -> Signer:
    values = {"certificate_authority": "builtin", "ca_passphrase": "opensesame", "operator_name": "Operator"} | changes
    return Signer(lane, load({f"AMPSTREAM_{name.upper()}": value for name, value in values.items()}), 1, holder)


async def ask(lane: Lane, request_id: str = "r1") -> SigningRequest:
    request = SigningRequest(
        station_id="CP1", request_id=request_id, csr=csr(), common_name="CP1", organisation="Operator"
    )
    await lane.one("HSET", keys.CERTIFICATE_REQUESTS, request.member, pack(request))
    return request


async def told(lane: Lane) -> list[IssueCertificate]:
    """What the station's commit is told."""
    found = await lane.one("XRANGE", keys.uplink(0), "-", "+")
    uplinks = [envelopes.decode_uplink(fields[1]) for _, fields in found]
    return [unpack(each.frame, IssueCertificate) for each in uplinks]


async def test_the_built_in_authority_is_made_once(lane: Lane) -> None:
    """Its key is encrypted in Redis, its root is there for the edges, and another worker opens the same one."""
    await ask(lane)
    first = signer(lane)
    assert await first.beat() == 1
    (answer,) = await told(lane)
    leaf, root = reading.load_chain(answer.chain)
    leaf.verify_directly_issued_by(root)
    kept = await lane.one("HGETALL", keys.AUTHORITY)
    fields = dict(zip(kept[::2], kept[1::2], strict=True))
    assert b"ENCRYPTED PRIVATE KEY" in fields[b"key"]
    assert b"PRIVATE KEY" not in fields[b"certificate"]
    assert reading.load(fields[b"certificate"].decode()) == root
    assert await first.beat() == 0  # The request is there until the commit took it in; it is not signed over and over.
    await ask(lane, "r2")
    other = signer(lane, "w2")
    assert await other.beat() == 0  # The lease is the first one's.
    await lane.one("DEL", keys.AUTHORITY_HOLDER)
    assert await other.beat() == 2  # It does not know what the first one did: the commit drops the second answer.
    assert {reading.load_chain(one.chain)[1] for one in await told(lane)} == {root}


async def test_a_wrong_passphrase_makes_no_other_authority(lane: Lane) -> None:
    """The worker says so, and what is in Redis stays."""
    await ask(lane)
    await signer(lane).beat()
    await lane.one("DEL", keys.AUTHORITY_HOLDER)
    before = await lane.one("HGETALL", keys.AUTHORITY)
    with pytest.raises(ValueError, match="passphrase"):
        await signer(lane, "w2", ca_passphrase="another").beat()
    assert await lane.one("HGETALL", keys.AUTHORITY) == before


async def _in_pieces(request: web.Request, body: bytes) -> web.StreamResponse:
    """Answer as a network may bring it: a long chain is no single packet."""
    response = web.StreamResponse()
    await response.prepare(request)
    for half in (body[: len(body) // 2], body[len(body) // 2 :]):
        await response.write(half)
        await lasting(0.02, "between two packets")
    return response


async def test_an_external_authority(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked over HTTP with a token; ill, it is asked again; its no is final; a wrong certificate is none."""
    root, key = authority.make("x" * 8, "ecdsa", "External", 1_700_000_000_000)
    opened = authority.Authority.load(root, key, "x" * 8)
    asked: list[dict[str, Any]] = []
    step = ""

    async def sign(request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer token"
        asked.append(body := await request.json())
        if step == "slow":
            await asyncio.Event().wait()
        if step in ("500", "garbage", "slow"):
            return web.Response(status=500 if step == "500" else 200, text="{}" if step == "500" else "<html>")
        if step == "no":
            return web.json_response({"detail": "not on the list"}, status=403)
        text = csr(key=RSA_KEY) if step == "other key" else body["csr"]
        subject = body["subject"]
        now = int((await lane.one("TIME"))[0]) * 1000
        made = opened.sign(text, subject["common_name"], subject["organisation"], body["days"], now)
        return await _in_pieces(request, msgspec.json.encode({"chain": made.chain}))

    app = web.Application()
    app.router.add_post("/sign", sign)
    server = TestServer(app)
    await server.start_server()
    monkeypatch.setattr(signing, "WAIT_S", (0.0, 0.0))
    monkeypatch.setattr(signing, "SETTLE_S", 0.0)
    try:
        url = str(server.make_url("/sign"))
        asking = signer(
            lane, certificate_authority="http", ca_url=url, ca_token="token", ca_timeout_s="30", ca_passphrase=""
        )
        patient, hasty = asking._settings, msgspec.structs.replace(asking._settings, ca_timeout_s=0.3)
        await ask(lane)
        for step, answered in (("500", 0), ("garbage", 0), ("slow", 0), ("other key", 1), ("no", 1), ("yes", 1)):
            asking._settings = hasty if step == "slow" else patient
            assert await asking.beat() == answered, step
    finally:
        await server.close()
    strange, refused, made = await told(lane)
    assert "another key" in strange.problem
    assert refused.problem == "the authority refused: not on the list"
    assert made.certificate_id
    assert not made.problem
    assert asked[0]["subject"] == {"common_name": "CP1", "organisation": "Operator"}
    assert asked[0]["station_id"] == "CP1"
