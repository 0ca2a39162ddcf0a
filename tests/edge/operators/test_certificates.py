"""Keys and certificates as operators see and change them."""

from __future__ import annotations

from typing import Any

import pytest

from shared import credentials
from shared.bus import keys
from shared.envelopes import Reply
from shared.records.certificates import Certificate, Certificates, Root, SigningRequest, index_member
from shared.records.credentials import Credentials, Rotation
from shared.records.packing import pack, unpack
from shared.records.queries import certificates as queries
from shared.records.requests import CreateStation, Disconnect, RenewCertificate, Request, RotateKey, UpdateStation
from tests.edge.operators.stage import T0, Stage

ISSUER = "organizationName=Operator,commonName=Root"


def certificate(serial: str, not_after: int, **more: Any) -> Certificate:
    fields: dict[str, Any] = {"state": "used", "changed_at": T0, "subject": "commonName=CP1"} | more
    return Certificate(id=f"{serial}/{ISSUER}", not_after=not_after, **fields)


async def has(stage: Stage, station: str, held: Certificates) -> None:
    """Write a station's certificates as its commits would."""
    await stage.station(station)
    await stage.write(("HSET", keys.state(station), "ce", pack(held)))
    if held.current is not None:
        member = index_member(station, held.current)
        await stage.write(("ZADD", keys.CERTIFICATES, held.current.not_after, member))


async def test_certificates_are_listed_by_their_end(stage: Stage) -> None:
    """Soonest first, over pages, equal ends too; a newer one that was accepted is told; within days, some."""
    for n in range(7):
        ends = T0 + (n // 3) * 1000
        made = certificate("FF", T0, state="accepted") if n == 1 else None
        await has(stage, f"CP{n}", Certificates(current=certificate(f"A{n}", ends), made=made))
    await has(stage, "LATER", Certificates(current=certificate("B", T0 + 10**12)))
    found = await stage.all_of("/certificates", limit=2)
    assert [one["station_id"] for one in found] == [*(f"CP{n}" for n in range(7)), "LATER"]
    assert found[1]["replaced"]
    assert not found[0]["replaced"]
    assert (found[0]["serial"], found[0]["issuer"]) == ("A0", ISSUER)
    assert found[0]["not_after"] == "2026-01-01T00:00:00.000Z"
    assert len(await stage.all_of("/certificates", within_days=1)) == 7


async def test_what_a_station_proves_itself_by(stage: Stage) -> None:
    """Rotation, certificates, a waiting request, roots; never a key or its hash."""
    pending = SigningRequest(station_id="CP1", request_id="r", csr="PEM", common_name="CP1", asked_at=T0)
    root = Root(use="Central", hash_algorithm="SHA256", issuer_name_hash="a", issuer_key_hash="b", serial_number="1")
    held = Certificates(current=certificate("AB", T0), pending=pending, roots=(root,), roots_read_at=T0)
    await has(stage, "CP1", held)
    rotation = Rotation(state="taken", began_at=T0, changed_at=T0, key="c0ffee", key_hash="b2$hash", answer="Accepted")
    await stage.write(("HSET", keys.state("CP1"), "ke", pack(Credentials(rotation=rotation))))
    await stage.write(("HSET", keys.door("CP1"), "key", "b2$old", "certificate_name", "SN-1", "minimum_profile", "2"))
    found = await stage.get("/stations/CP1/credentials")
    assert (found["rotation"]["state"], found["rotation"]["answer"]) == ("taken", "Accepted")
    assert found["rotation"]["next"].startswith("it comes with the new key")
    assert not found["rotation"]["needs_reboot"]
    assert (found["certificate"]["serial"], found["certificate_name"]) == ("AB", "SN-1")
    assert (found["has_key"], found["minimum_profile"]) == (True, 2)
    assert found["requested_at"]
    assert found["roots"][0]["serial_number"] == "1"
    assert not any(secret in str(found) for secret in ("c0ffee", "b2$"))
    assert (await stage.ask("GET", "/stations/NONE/credentials"))[0] == 404


async def test_a_key_is_made_here_and_shown_to_nobody(stage: Stage) -> None:
    """The request carries key and hash that fit; the answer says how it stands."""
    await stage.station("CP1")

    async def commit(_station: str, request: Request) -> None:
        assert isinstance(request, RotateKey)
        rotation = Rotation(state="sending", began_at=T0, changed_at=T0, key=request.key, key_hash=request.key_hash)
        await stage.write(("HSET", keys.state("CP1"), "ke", pack(Credentials(rotation=rotation))))

    stage.node.before_answer = commit
    status, body = await stage.ask("POST", "/stations/CP1/key-rotation")
    assert (status, body["state"]) == (202, "sending")
    ((_, request),) = stage.node.asked
    assert isinstance(request, RotateKey)
    pepper = await credentials.load_pepper(stage.lane)
    assert credentials.verify(bytes.fromhex(request.key), request.key_hash, pepper)
    assert request.key not in str(body)
    stage.node.before_answer = None
    stage.node.answer = lambda _, request: Reply(request.request_id, 409, b'{"detail":"a new key is on its way"}')
    status, problem = await stage.ask("POST", "/stations/CP1/key-rotation")
    assert (status, problem["detail"]) == (409, "a new key is on its way")


async def test_a_certificate_is_asked_for(stage: Stage) -> None:
    """The station's commit asks it; the authority's root is shown where there is one."""
    await stage.station("CP1")
    assert (await stage.ask("POST", "/stations/CP1/certificate"))[0] == 202
    assert isinstance(stage.node.asked[0][1], RenewCertificate)
    assert (await stage.ask("GET", "/certificate-authority"))[0] == 404
    await stage.write(("HSET", keys.AUTHORITY, "certificate", "PEM"))
    assert (await stage.get("/certificate-authority"))["certificate"] == "PEM"


async def test_revoking_and_reinstating(stage: Stage) -> None:
    """By station or by serial number and issuer; once; the socket is closed; undone by an admin alone."""
    await has(stage, "CP1", Certificates(current=certificate("AB", T0)))
    await stage.station("CP2")
    status, body = await stage.ask("POST", "/revoked-certificates", json={"station_id": "CP1", "reason": "stolen"})
    assert (status, body["serial"], body["reason"]) == (201, "AB", "stolen")
    assert isinstance(stage.node.asked[0][1], Disconnect)
    assert await stage.lane.one("HGET", keys.REVOKED, f"AB/{ISSUER}")
    assert (await stage.ask("POST", "/revoked-certificates", json={"station_id": "CP1"}))[0] == 409
    assert (await stage.ask("POST", "/revoked-certificates", json={"station_id": "CP2"}))[0] == 409
    for bad in ({}, {"serial": "AB"}, {"station_id": "CP1", "serial": "AB", "issuer": "x"}, {"serial": "xyz"}):
        assert (await stage.ask("POST", "/revoked-certificates", json=bad))[0] == 422
    body = {"serial": "00ab", "issuer": "commonName=Other"}
    assert (await stage.ask("POST", "/revoked-certificates", json=body))[1]["serial"] == "AB"
    assert len((await stage.get("/revoked-certificates"))["items"]) == 2
    operate = await stage.make_token("operate")
    where = {"serial": "AB", "issuer": "commonName=Other"}
    assert (await stage.ask("DELETE", "/revoked-certificates", params=where, token=operate))[0] == 403
    assert (await stage.ask("DELETE", "/revoked-certificates", params=where))[0] == 204
    assert (await stage.ask("DELETE", "/revoked-certificates", params=where))[0] == 404


async def test_security_policies(stage: Stage) -> None:
    """Set for a group in any case of letters or for all, listed, removed."""
    assert (await stage.ask("PUT", "/security-policies/North", json={"minimum_profile": 2}))[1]["group"] == "north"
    assert (await stage.ask("PUT", "/security-policies/*", json={"minimum_profile": 1}))[0] == 200
    assert (await stage.ask("PUT", "/security-policies/x", json={"minimum_profile": 4}))[0] == 422
    assert await queries.policies(stage.lane) == {"*": 1, "north": 2}
    items = (await stage.get("/security-policies"))["items"]
    assert {one["group"]: one["minimum_profile"] for one in items} == {"*": 1, "north": 2}
    assert (await stage.ask("DELETE", "/security-policies/NORTH"))[0] == 204
    assert (await stage.ask("DELETE", "/security-policies/north"))[0] == 404


@pytest.mark.parametrize("key", ["00112233445566778899aabbccddeeff", "00" * 20])
async def test_a_key_from_elsewhere_is_a_key(stage: Stage, key: str) -> None:
    """32 to 40 hexadecimal digits are hashed as the bytes that they stand for; so is a certificate name passed on."""
    await stage.station("CP1")
    status, body = await stage.ask("POST", "/stations/CP1/key", json={"password": key})
    assert (status, body["key"]) == (200, None)
    request = stage.node.asked[0][1]
    assert isinstance(request, UpdateStation)
    assert request.key_hash is not None
    assert credentials.verify(bytes.fromhex(key), request.key_hash, await credentials.load_pepper(stage.lane))
    await stage.ask("PATCH", "/stations/CP1", json={"certificate_name": "SN-9"})
    assert stage.node.asked[1][1].certificate_name == "SN-9"  # type: ignore[attr-defined]
    assert CreateStation(request_id="r").certificate_name == ""
    assert unpack(pack(Certificates()), Certificates) == Certificates()
