"""Nothing that must stay secret is in logs or metrics: id tags, keys, passwords, tokens, whatever becomes of them."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Iterator
from typing import Any

import aiohttp
import msgspec
import pytest

from ampstream.simulate.station import Refused
from tests.chaos.harness.system import System
from tests.chaos.launchers.defect import DEFECT
from tests.e2e.field import ENERGY, Field, iso
from tests.support import wait_until

PARTS = ("log", "metrics")


class Vault:
    """Makes secrets that occur nowhere else, and looks for them."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def make(self, name: str, length: int = 20) -> str:
        """Return a new secret; `name` is what a leak is called."""
        found = self.made[name] = f"S{secrets.token_hex(length // 2)}"[:length]
        return found

    def keep(self, name: str, text: str) -> str:
        """Take a secret that somebody else made."""
        self.made[name] = text
        return text

    def found_in(self, text: str) -> list[str]:
        """The names of secrets that stand in a text, as they are or in a usual encoding."""
        forms = {
            (name, form)
            for name, secret in self.made.items()
            for form in (secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode().rstrip("="))
        }
        lowered = text.lower()
        return sorted({name for name, form in forms if form.lower() in lowered})


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One edge and one worker that log all that they ever log, a handler of which has a defect."""
    settings = {"LOG_LEVEL": "debug", "UNKNOWN_STATIONS": "reject"}
    directory = tmp_path_factory.mktemp("secrets") / "system"
    made = System(directory, workers=1, settings=settings, worker_guards=["defect"])
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.close()


async def test_no_secret_is_logged_or_counted(system: System) -> None:
    """A day in the life of a station and its operator, at debug: their secrets are in no log and in no metric."""
    vault = Vault()
    vault.keep("operator's token", system.token)
    operator = system.operator()
    key, tag = vault.make("station's key"), vault.make("id tag")
    await _provisioned(system, vault, key, tag)
    with pytest.raises(Refused, match="401"):
        await Field(system, "SAFE", password=vault.make("wrong key").encode()).station.connect()
    async with Field(system, "SAFE", password=key.encode()) as field:
        await field.boot()
        await _charged(field, vault, tag)
        await _misunderstood(field, vault)
        await _commanded(field, vault, tag)
    await _asked_wrongly(system, vault)
    assert await operator.items("/quarantine", station_id="SAFE")
    shown = await _shown(system)
    assert all(len(text) > 1000 for text in shown.values()), {name: len(text) for name, text in shown.items()}
    assert "entry settled" in shown["worker-0 log"], "the level is debug"
    assert {name: leaked for name, text in shown.items() if (leaked := vault.found_in(text))} == {}


def test_the_vault_finds_what_leaks() -> None:
    """The control: a secret in a line is found, plain, in base64 and in hexadecimal."""
    vault = Vault()
    tag = vault.make("id tag")
    for text in (tag, tag.lower(), base64.b64encode(tag.encode()).decode(), tag.encode().hex()):
        assert vault.found_in(f'{{"event":"{text}"}}') == ["id tag"]
    assert vault.found_in("S") == []


async def _provisioned(system: System, vault: Vault, key: str, tag: str) -> None:
    operator = system.operator()
    assert (await operator.request("POST", "/stations", json={"station_id": "SAFE"}))[0] == 201
    status, body = await operator.request("POST", "/stations/SAFE/key", json={"password": key})
    assert status == 200, body
    assert (await operator.request("POST", "/tags", json={"id_tag": tag}))[0] == 201
    parent = vault.make("parent tag")
    assert (await operator.request("PUT", f"/tags/{vault.make('other tag')}", json={"parent": parent}))[0] in (201, 422)
    status, made = await operator.request("POST", "/tokens", json={"name": "reader", "scope": "read"})
    assert status == 201, made
    vault.keep("reader's token", made["token"])


async def _charged(field: Field, vault: Vault, tag: str) -> None:
    await field.say("Authorize", idTag=tag)
    await field.say("Authorize", idTag=vault.make("unknown tag"))
    number = await field.start(idTag=tag)
    await field.meter({"value": "1500", "measurand": ENERGY, "unit": "Wh"}, transactionId=number)
    await field.stop(number, idTag=tag)
    await field.say("DataTransfer", vendorId="V", data=vault.make("data of a vendor", 40))
    await field.status("Faulted", vendorErrorCode="E1", info=tag)


async def _misunderstood(field: Field, vault: Vault) -> None:
    """Frames of every kind that is not understood, each with a tag in it."""
    for number, shape in enumerate(
        (
            '[2,"%s","Authorize",{"idTag":{"deep":"%s"}}]',
            '[2,"%s","StartTransaction",{"connectorId":"x","idTag":"%s"}]',
            '[2,"%s","Unheard",{"idTag":"%s"}]',
            '[2,"%s","StatusNotification",{"connectorId":1,"errorCode":"%s","status":"Available"}]',
            '[2,"%s","FirmwareStatusNotification",{"status":"%s"}]',
            f'[2,"%s","DataTransfer",{{"vendorId":"{DEFECT}","data":"%s"}}]',
        )
    ):
        await field.raw(shape % (f"bad{number}", vault.make(f"tag in bad frame {number}")))
    for text in ("no JSON at all: %s", '[3,"nobody-asked",{"idTag":"%s"}]', '{"idTag":"%s"}'):
        field.station.send_raw(text % vault.make(f"tag in {text[:4]}"))
    await field.boot()


async def _commanded(field: Field, vault: Vault, tag: str) -> None:
    password = vault.make("new key of the station")
    commands: list[tuple[str, dict[str, Any]]] = [
        ("RemoteStartTransaction", {"idTag": tag, "connectorId": 1}),
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": password}),
        (
            "SendLocalList",
            {
                "listVersion": 1,
                "updateType": "Full",
                "localAuthorizationList": [
                    {"idTag": vault.make("listed tag"), "idTagInfo": {"status": "Accepted", "expiryDate": iso(3600)}}
                ],
            },
        ),
    ]
    for action, payload in commands:
        asking = asyncio.create_task(
            field.operator.request(
                "POST", "/stations/SAFE/commands?wait=60s", json={"action": action, "payload": payload}
            )
        )
        call = await field.command()
        if action == "ChangeConfiguration":
            field.station.send_raw(f'[4,"{call.message_id}","InternalError","{password}",{{"value":"{password}"}}]')
        else:
            field.station.answer(call, {"status": "Accepted"})
        status, record = await asking
        assert (status, record["action"]) == (200, action)


async def _asked_wrongly(system: System, vault: Vault) -> None:
    """Requests that fail, with secrets where people put them by mistake."""
    token, tag = vault.make("wrong token", 40), vault.make("tag in a URL")
    async with aiohttp.ClientSession() as http:
        for headers in ({"Authorization": f"Bearer {token}"}, {"Authorization": f"Basic {token}"}, {}):
            async with http.get(f"{system.api_url()}/api/v1/stations?token={token}", headers=headers) as answer:
                assert answer.status == 401
    operator = system.operator()
    assert (await operator.request("GET", f"/tags/{tag}"))[0] == 404
    assert (await operator.request("POST", "/tags", json={"id_tag": tag * 30}))[0] == 422
    json = {"Content-Type": "application/json"}
    assert (await operator.request("POST", "/tags", data=b'{"id_tag": "' + tag.encode(), headers=json))[0] in (400, 422)


async def _shown(system: System) -> dict[str, str]:
    """Every log and every exposition."""
    found: dict[str, str] = {}
    async with aiohttp.ClientSession() as http:
        for process in (*system.edges, *system.workers):
            async with http.get(f"http://127.0.0.1:{system._ports[process.name][1]}/metrics") as answer:
                found[f"{process.name} metrics"] = await answer.text()
            await wait_until(process.log.exists)
            found[f"{process.name} log"] = process.log.read_text()
    for line in (line for name, text in found.items() if name.endswith("log") for line in text.splitlines()):
        assert isinstance(msgspec.json.decode(line), dict), "logs are JSON lines"
    return found
