"""An external authorizer end to end: asked, slow, dead; a station that it keeps waiting keeps nobody else waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.chaos.harness.system import System
from tests.deploy.users import denied, with_users
from tests.e2e.field import Field, iso, scrape
from tests.support import wait_until
from tests.workers.authorizer.stand_in import stand_in


async def test_tags_that_are_kept_elsewhere(tmp_path: Path) -> None:
    """Asked once for Authorize and start; while it hangs others charge; where it is dead its last word counts."""
    async with stand_in() as service:
        settings = {
            "PARTITIONS": "1", "AUTHORIZER_URL": service.url, "AUTHORIZER_TOKEN": "t0ken", "AUTHORIZER_FRESH_S": "2",
            "AUTHORIZER_TIMEOUT_S": "5", "CLAIM_IDLE_S": "6",
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

                async def stale() -> bool:
                    said = {"connectorId": 1, "idTag": "elsewhere", "meterStart": 5, "timestamp": iso()}
                    found = await one.say("StartTransaction", **said)
                    shown = await one.transaction(found["transactionId"])
                    return found["idTagInfo"]["status"] == "Accepted" and "authorized_stale" in shown["flags"]

                await wait_until(stale, interval_s=0.3)
            assert await scrape(system, "ampstream_authorizer_requests_total", 'result="status"') >= 2
            assert not denied(system), "a role lacks a command or key: see deploy/roles.py"
            assert "NEVERSEEN" not in system.logs()
        finally:
            system.close()
