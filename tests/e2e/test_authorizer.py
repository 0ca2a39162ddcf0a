"""An external authorizer end to end: asked, slow, dead; a station that it keeps waiting keeps nobody else waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from shared.bus import keys
from shared.records.packing import pack, unpack
from shared.records.tags import Verdict
from tests.chaos.harness.system import System
from tests.deploy.users import denied, with_users
from tests.e2e.field import Field, scrape
from tests.support import wait_until
from tests.workers.authorizer.stand_in import stand_in


def _age(system: System, tag: str, seconds: int) -> None:
    """Let what the authorizer last said of a tag be so much older."""
    client = system.valkey.client()
    verdict = unpack(client.get(keys.verdict(tag)), Verdict)
    client.set(keys.verdict(tag), pack(msgspec.structs.replace(verdict, at=verdict.at - seconds * 1000)), keepttl=True)


async def test_tags_that_are_kept_elsewhere(tmp_path: Path) -> None:
    """Asked once for Authorize and start; while it hangs others charge; where it is dead its last word counts."""
    async with stand_in() as service:
        settings = {
            "PARTITIONS": "1", "AUTHORIZER_URL": service.url, "AUTHORIZER_TOKEN": "t0ken", "AUTHORIZER_FRESH_S": "60",
            "AUTHORIZER_TIMEOUT_S": "5", "CALL_TIMEOUT_S": "10", "CLAIM_IDLE_S": "6",
        }  # fmt: skip
        system = System(tmp_path / "system", edges=1, workers=1, settings=settings)
        with_users(system)
        try:
            await system.start()
            async with Field(system, "EXT-1") as one, Field(system, "EXT-2") as other:
                await one.boot()
                await other.boot()
                answer = await one.say("Authorize", idTag="ELSEWHERE")
                assert answer["idTagInfo"] == {
                    "status": "Accepted", "expiryDate": "2030-01-01T00:00:00.000Z", "parentIdTag": "fleet",
                }  # fmt: skip
                number = await one.start(idTag="elsewhere")
                assert [asked["where"] for asked in service.asked] == ["authorize"]
                assert service.headers[0]["Authorization"] == "Bearer t0ken"
                service.gate.clear()
                waiting = asyncio.create_task(one.say("Authorize", idTag="SLOW"))
                await wait_until(lambda: service.waiting == 1)
                await other.status("Available")
                await other.say("Heartbeat")
                assert not waiting.done()
                service.gate.set()
                assert (await waiting)["idTagInfo"]["status"] == "Accepted"
                service.status = 500
                answer = await other.say("Authorize", idTag="NEVERSEEN")
                assert answer["idTagInfo"] == {"status": "Invalid"}
                await one.stop(number)
                _age(system, "elsewhere", 61)
                number = await one.start(idTag="elsewhere", meterStart=5)
                assert "authorized_stale" in (await one.transaction(number))["flags"]
            assert await scrape(system, "ampstream_authorizer_requests_total", 'result="status"') >= 2
            assert not denied(system), "a role lacks a command or key: see deploy/roles.py"
            assert "NEVERSEEN" not in system.logs()
        finally:
            system.close()
