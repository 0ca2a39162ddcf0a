"""A station's life with keys and certificates: TLS, a new key, a certificate of its own, its revocation."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from ampstream.simulate.fleet import Access, Fleet
from ampstream.simulate.identity import context_of
from ampstream.simulate.models import BY_NAME
from ampstream.simulate.station import Refused, Station
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.e2e.secured import ca_of, tls_url
from tests.e2e.test_reservations import NOBODY
from tests.support import wait_until
from tests.terminal import ampstream

NAME = "SECURE-1"


async def becomes(operator: Operator, wanted: Any) -> dict[str, Any]:
    """Wait until what the station proves itself by is as wanted; return it."""

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = await operator.get(f"/stations/{NAME}/credentials")
        return found if wanted(found) else None

    found = await wait_until(look, 30)
    assert found is not None
    return found


async def ok(system: System, *arguments: str) -> str:
    """Run a command that must succeed, and return what it says."""
    operator = system.operator()
    token = operator.headers["Authorization"].removeprefix("Bearer ")
    env = os.environ | {"AMPSTREAM_API_URL": operator.url, "AMPSTREAM_API_TOKEN": token, "COLUMNS": "200"}
    done = await ampstream(*arguments, env=env)
    assert done.status == 0, done.err
    return done.out


async def test_from_a_key_to_a_certificate_and_no_way_back(system: System, operator: Operator) -> None:
    """Profile 2 with raw bytes, a rotated key, profile 3 with a certificate of ours; what is below, or revoked: out."""
    status, made = await operator.request("POST", "/stations", json={"station_id": NAME, "make_key": True})
    assert status == 201
    wheel = LoopWheel()
    world = World(wheel, NOBODY, speed=30)
    access = Access(bytes.fromhex(made["key"]), ca=ca_of(system))
    fleet = Fleet(world, [NAME], [Endpoint.parse(tls_url(system))], access, model=BY_NAME["Pole Duo 22"])
    fleet.start()
    try:
        await wait_until(lambda: fleet.stations[0].online)
        await becomes(operator, lambda one: one["security_profile"] == 2)
        await _rotate(system, operator, made["key"])
        _nowhere(system, fleet)
        await _certify(system, operator)
        output = await ok(system, "certificates", "revoke", NAME, "--reason", "stolen")
        assert "revoked" in output
        assert NAME in await ok(system, "certificates", "revoked")
        await wait_until(lambda: not fleet.stations[0].online)

        async def refused() -> bool:
            found = await operator.get("/security-events?type=InvalidStationCertificate")
            return any(f"as {NAME}: " in one["info"] and "revoked" in one["info"] for one in found["items"])

        await wait_until(refused)
    finally:
        await fleet.close()
        wheel.stop()


async def _rotate(system: System, operator: Operator, old: str) -> None:
    """The simulated station wants a reboot before it logs in with its new key; until then both count."""
    await ok(system, "keys", "rotate", NAME)
    found = await becomes(operator, lambda one: one["rotation"]["state"] == "taken")
    assert found["rotation"]["answer"] == "RebootRequired"
    await ok(system, "send", NAME, "Reset", "type=Soft")
    found = await becomes(operator, lambda one: one["rotation"]["state"] == "done" and one["rotated_at"])
    assert "done" in await ok(system, "keys", "show", NAME)
    with pytest.raises(Refused) as caught:
        await Station(system.station_url(), NAME, password=bytes.fromhex(old)).connect()
    assert caught.value.status == 401
    commands = await operator.get(f"/commands?station_id={NAME}&action=ChangeConfiguration")
    assert all(
        one["payload"].get("value") == "***" for one in commands["items"] if one["payload"]["key"] == "AuthorizationKey"
    )


def _nowhere(system: System, fleet: Fleet) -> None:
    """The new key, which the station alone has, stands in no log and nowhere in Redis."""
    identity = fleet.stations[0].identity
    assert identity is not None
    assert identity.key is not None
    client = system.valkey.client()
    stored = b"".join(client.dump(key) or b"" for key in client.scan_iter(count=1000))
    logs = b"".join(path.read_bytes() for path in system.directory.glob("*.log"))
    for secret in (identity.key, identity.key.hex().encode()):
        assert secret not in stored
        assert secret not in logs


async def _certify(system: System, operator: Operator) -> None:
    await becomes(operator, lambda one: one["security_profile"] == 2)
    await ok(system, "certificates", "renew", NAME)
    found = await becomes(operator, lambda one: one["security_profile"] == 3)
    assert found["certificate"]["subject"] == f"organizationName=E2E Operator,commonName={NAME}"
    assert found["minimum_profile"] == 3
    assert NAME in await ok(system, "certificates", "list", "--within-days", "400")
    assert "BEGIN CERTIFICATE" in await ok(system, "certificates", "authority")
    # Once it has come with a certificate, a key is not enough any more.
    anybody = Station(tls_url(system), NAME, password=b"wrong", context=context_of(ca_of(system)))
    with pytest.raises(Refused) as caught:
        await anybody.connect()
    assert caught.value.status == 401


async def test_groups_and_roots(system: System, operator: Operator) -> None:
    """A least profile holds at the door; a station told to use TLS does; a root is installed, listed and removed."""
    body = {"station_id": "SECURE-2", "make_key": True, "group": "Guarded"}
    _, made = await operator.request("POST", "/stations", json=body)
    key = bytes.fromhex(made["key"])
    wheel = LoopWheel()
    fleet = Fleet(
        World(wheel, NOBODY, speed=30), ["SECURE-2"],
        [Endpoint.parse(url) for url in (system.station_url(), tls_url(system))],
        Access(key, ca=ca_of(system)), model=BY_NAME["Pole Duo 22"],
    )  # fmt: skip
    fleet.start()
    try:
        await wait_until(lambda: fleet.stations[0].online)
        await ok(system, "send", "SECURE-2", "ChangeConfiguration", "key=SecurityProfile", "value=2", "--wait")
        await ok(system, "send", "SECURE-2", "Reset", "type=Soft", "--wait")

        async def over_tls() -> bool:
            found = await operator.get("/stations/SECURE-2/credentials")
            return (found["security_profile"], found["minimum_profile"]) == (2, 2)

        await wait_until(over_tls)
        await wait_until(lambda: fleet.stations[0].online)
        await ok(system, "keys", "policies", "set", "guarded", "3")
        assert "guarded" in await ok(system, "keys", "policies", "list")
        with pytest.raises(Refused) as caught:
            await Station(system.station_url(), "SECURE-2", password=key).connect()
        assert caught.value.status == 403
        await ok(system, "certificates", "install", "SECURE-2", str(ca_of(system)))

        async def root() -> dict[str, Any] | None:
            found = await operator.get("/stations/SECURE-2/credentials")
            return found["roots"][0] if found["roots"] else None

        installed = await wait_until(root)
        assert installed is not None
        assert installed["use"] == "CentralSystemRootCertificate"
        await ok(system, "certificates", "remove", "SECURE-2", installed["serial_number"])

        async def gone() -> bool:
            return await root() is None

        await wait_until(gone)
    finally:
        await fleet.close()
        wheel.stop()
    await ok(system, "keys", "policies", "remove", "guarded")


async def test_the_keys_of_a_fleet_rotate(system: System, operator: Operator) -> None:
    """A job brings each station a key of its own, and is done when all have come with theirs."""
    names = [f"ROTATE-{n}" for n in range(4)]
    passwords = {}
    for name in names:
        _, made = await operator.request("POST", "/stations", json={"station_id": name, "make_key": True})
        passwords[name] = bytes.fromhex(made["key"])
    wheel = LoopWheel()
    urls = [Endpoint.parse(url) for url in system.station_urls]
    access = Access(passwords=passwords)
    fleet = Fleet(World(wheel, NOBODY, speed=60), names, urls, access, model=BY_NAME["Pole Duo 22"])
    fleet.start()
    try:
        await wait_until(lambda: all(station.online for station in fleet.stations))
        where = ("--stations", ",".join(names), "--rate", "50")
        job = json.loads(await ok(system, "keys", "rotate", *where, "--json"))

        async def taken() -> bool:
            found = [await operator.get(f"/stations/{name}/credentials") for name in names]
            return all(one["rotation"] and one["rotation"]["state"] == "taken" for one in found)

        await wait_until(taken, 30)
        await ok(system, "send", "Reset", "type=Soft", *where)
        await ok(system, "jobs", "show", job["id"], "--wait")
        given = {station.identity.key for station in fleet.stations if station.identity is not None}
        assert len(given - set(passwords.values())) == len(names)
    finally:
        await fleet.close()
        wheel.stop()
