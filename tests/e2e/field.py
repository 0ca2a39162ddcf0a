"""A station that does as stations in the field do, and what an operator sees of it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any, Self

import aiohttp
import msgspec

from ampstream.simulate.station import CsmsCall, Station
from shared.ocpp.timestamps import format_time
from tests.chaos.harness.charger import now_ms
from tests.chaos.harness.system import System
from tests.support import wait_until

BOOT = {"chargePointVendor": "Field", "chargePointModel": "F1"}
ENERGY = "Energy.Active.Import.Register"
PATIENT = {
    "NODE_TTL_S": "20", "REDIS_TIMEOUT_S": "10", "CLAIM_IDLE_S": "10", "CALL_TIMEOUT_S": "15", "COMMAND_TIMEOUT_S": "6",
}  # fmt: skip
"""Of a system in which nobody dies: what stands still for some seconds is no dead node, lost Redis, hung worker or
silent station."""


def iso(shift_s: float = 0) -> str:
    """Return the time now, shifted, as a good station writes it."""
    return format_time(now_ms() + round(shift_s * 1000))


async def scrape(system: System, name: str, label: str = "") -> float:
    """Return a metric's sum over all workers and edges; `label` is a text like `quirk="case"`."""
    pattern = re.compile(rf"^{name}(?:{{([^}}]*)}})? (\S+)$", re.MULTILINE)
    total = 0.0
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
        for _, port in system._ports.values():
            async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
                found = pattern.findall(await answer.text())
            total += sum(float(value) for labels, value in found if label in labels)
    return total


class Field:
    """One station, one frame at a time; closes itself at the end of `async with`."""

    def __init__(self, system: System, station_id: str, **options: Any) -> None:
        self.system = system
        self.id = station_id
        self.operator = system.operator()
        self.station = Station(system.station_url(), station_id, timeout_s=10, **options)

    async def __aenter__(self) -> Self:
        """Dial in."""
        await self.station.connect()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Leave."""
        await self.station.close()

    async def again(self) -> None:
        """Lose the connection and dial in anew."""
        self.station.abort()
        await self.station.closed_with()
        await self.station.connect()

    # ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────

    async def say(self, action: str, message_id: str | None = None, /, **payload: Any) -> dict[str, Any]:
        """Send a CALL and return its answer; what is None is left out."""
        kept = {name: value for name, value in payload.items() if value is not None}
        return (await self.station.call(action, kept, message_id)).payload

    async def boot(self, **more: Any) -> dict[str, Any]:
        """Boot."""
        return await self.say("BootNotification", **(BOOT | more))

    async def status(self, status: str, connector: int = 1, **more: Any) -> None:
        """Report a connector's status."""
        await self.say(
            "StatusNotification", **({"connectorId": connector, "errorCode": "NoError"} | more), status=status
        )

    async def start(self, **more: Any) -> int:
        """Start a transaction and return its id."""
        said = {"connectorId": 1, "idTag": f"{self.id}-T"[:20], "meterStart": 1000, "timestamp": iso()} | more
        answer = await self.say("StartTransaction", **said)
        assert answer["idTagInfo"]["status"] == "Accepted", answer
        number = answer["transactionId"]
        assert isinstance(number, int)
        assert 0 < number < 2**31
        return number

    async def stop(self, number: int | None, meter: int = 2000, /, **more: Any) -> dict[str, Any]:
        """Stop a transaction; `number` None sends null."""
        said = {"meterStop": meter, "timestamp": iso(), "reason": "Local"} | more
        return (await self.station.call("StopTransaction", {"transactionId": number, **said})).payload

    async def meter(self, *samples: dict[str, Any], at: str = "", **more: Any) -> None:
        """Report meter values of one time."""
        said = {"connectorId": 1} | more
        await self.say("MeterValues", **said, meterValue=[{"timestamp": at or iso(), "sampledValue": list(samples)}])

    async def raw(self, text: str | bytes) -> list[Any]:
        """Send a text as it is and return the next frame that comes."""
        heard = len(self.station.received_frames)
        self.station.send_raw(text)
        await wait_until(lambda: len(self.station.received_frames) > heard)
        frame: list[Any] = msgspec.json.decode(self.station.received_frames[heard])
        return frame

    async def command(self, timeout_s: float = 10) -> CsmsCall:
        """Return the next command of the CSMS."""
        return await self.station.next_call(timeout_s)

    # ── what an operator sees ────────────────────────────────────────────────────────────────────────────────────

    async def shown(self) -> dict[str, Any]:
        """Return the station as the API shows it."""
        return await self.operator.station(self.id)

    async def patch(self, **changes: Any) -> None:
        """Change the station's settings."""
        status, body = await self.operator.request("PATCH", f"/stations/{self.id}", json=changes)
        assert status == 200, body

    async def transactions(self) -> list[dict[str, Any]]:
        """Return the station's transactions, the newest start first."""
        return await self.operator.items("/transactions", station_id=self.id)

    async def transaction(self, number: int) -> dict[str, Any]:
        """Return one transaction."""
        found: dict[str, Any] = await self.operator.get(f"/transactions/{number}")
        return found

    async def connectors(self) -> list[dict[str, Any]]:
        """Return the connectors that it has reported."""
        found: list[dict[str, Any]] = (await self.operator.get(f"/stations/{self.id}/connectors"))["items"]
        return found

    async def samples(self, number: int = 0) -> list[dict[str, Any]]:
        """Return all samples of a transaction, each with its time; of none: those without one."""
        path = f"/transactions/{number}" if number else f"/stations/{self.id}"
        readings = await self.operator.items(f"{path}/meter-values")
        return [{**one, "timestamp": each["timestamp"]} for each in readings for one in each["samples"]]

    async def told(self, kind: str, times: int = 1) -> list[dict[str, Any]]:
        """Return the station's events of one type once there are so many.

        What the API shows of a commit is announced a moment later; what the station was answered is announced already.
        """

        async def look() -> list[dict[str, Any]]:
            found = await self.events(kind)
            return found if len(found) >= times else []

        return await wait_until(look)

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the station's events of one type."""
        return [one for one in self.operator.events(self.id) if one["type"] == kind]

    async def quarantine(self) -> list[dict[str, Any]]:
        """Return its frames in quarantine, the newest first."""
        return await self.operator.items("/quarantine", station_id=self.id)

    @contextlib.asynccontextmanager
    async def flagged(self, *flags: str) -> AsyncIterator[None]:
        """Expect the block to put these flags on the station, to announce them, and to count each one's quirk."""
        quirks = {flag.partition(":")[0] for flag in flags}
        before = {quirk: await self._counted(quirk) for quirk in quirks}
        yield
        # A worker commits a flag, then announces it, then counts it.
        await wait_until(lambda: self._has(*flags))
        await wait_until(lambda: self._announced(*flags))
        for quirk, count in before.items():
            await wait_until(lambda quirk=quirk, count=count: self._more(quirk, count))  # type: ignore[misc]

    async def _announced(self, *flags: str) -> bool:
        return {one["flag"] for one in await self.events("station.flagged")} >= set(flags)

    async def _more(self, quirk: str, than: float) -> bool:
        return await self._counted(quirk) > than

    async def _counted(self, quirk: str) -> float:
        return await scrape(self.system, "ampstream_quirks_total", f'quirk="{quirk}"')

    async def _has(self, *flags: str) -> bool:
        found = set((await self.shown())["flags"])
        return found >= set(flags)

    async def unflagged(self) -> None:
        """Assert that the station carries no flag."""
        shown = await self.shown()
        assert shown["flags"] == [], shown["flags"]
