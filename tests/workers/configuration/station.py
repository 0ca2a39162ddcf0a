"""A site that answers GetConfiguration from a dictionary, or does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from shared import envelopes
from shared.bus import keys
from shared.envelopes import Kind
from shared.ocpp import frames
from shared.policy import Policy
from shared.records.configuration import Configured, Snapshot, Version
from shared.records.drifts import Drift
from shared.records.packing import unpack
from shared.records.requests import ReadConfiguration, SendCommand
from tests.workers.charging.site import Site
from workers.services import commands
from workers.store.draft import Draft

HOUR = 3600
DAY = 24 * HOUR
POLICY = Policy(unknown_stations="accept", unknown_tags="accept", configuration_every_ms=DAY * 1000)
Answerer = Callable[[dict[str, Any]], Any]
"""The request's payload -> the answer's payload; None: no answer; an Exception: a CALLERROR of that text."""


class Configurable(Site):
    """An accepted station; `values` are its keys, those named in `readonly` are read-only."""

    def __init__(self, values: dict[str, Any] | None = None, policy: Policy = POLICY, **boot: str) -> None:
        self.values: dict[str, Any] = values if values is not None else {"HeartbeatInterval": "60"}
        self.readonly: set[str] = set()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answerer: Answerer = self.tell
        super().__init__(policy, 0, **boot)

    def tell(self, payload: dict[str, Any]) -> Any:
        """Answer as the standard has it (OCPP 1.6 §5.8)."""
        wanted = payload.get("key") or list(self.values)
        return {
            "configurationKey": [
                {"key": name, "readonly": name in self.readonly, "value": self.values[name]}
                for name in wanted
                if name in self.values
            ],
            "unknownKey": [name for name in wanted if name not in self.values],
        }

    def serve(self) -> None:
        """Answer what was asked since the last look, until nothing is."""
        while items := self.items_of(envelopes.Command):
            self.deliveries.clear()
            for item in items:
                call = frames.decode(item.frame)
                assert isinstance(call, frames.Call)
                payload = msgspec.json.decode(call.payload)
                self.asked.append((call.action, payload))
                answer = self.answerer(payload)
                if isinstance(answer, Exception):
                    self.refuse(item.command_id, str(answer))
                elif answer is not None:
                    self.answer(item.command_id, answer)

    def refuse(self, message_id: str, code: str) -> None:
        """Answer a command with a CALLERROR."""
        self.feed(self.entry(Kind.ANSWER, msgspec.json.encode([4, message_id, code, "", {}])))

    def decide(self, decider: Callable[[Draft], Any]) -> None:
        """Let a service decide as an entry does: commands go out in the end."""

        def whole(draft: Draft) -> None:
            decider(draft)
            commands.pump(draft)

        self.run(whole)

    def settle_down(self, seconds: float = 2) -> None:
        """Let time pass, and answer at once whatever is asked meanwhile."""
        end = self.now + round(seconds * 1000)
        self.serve()
        while self.timers and (due := min(self.timers.values())) <= end:
            self.advance(max(due - self.now, 0) / 1000)
            self.serve()
        self.advance((end - self.now) / 1000)

    def reboot(self, **boot: str) -> None:
        """Come back on a new connection, boot, and answer."""
        self.close()
        self.advance(1)
        self.open()
        self.boot(**boot)
        self.settle_down()

    @property
    def configured(self) -> Configured:
        """The section `cf`."""
        return self.view.configured

    @property
    def snapshot(self) -> Snapshot:
        """The last snapshot."""
        return unpack(self.memory.data[keys.configuration(self.station_id)], Snapshot)

    @property
    def versions(self) -> list[Version]:
        """The history, newest first."""
        return [unpack(one, Version) for one in self.memory.data.get(keys.configuration_history(self.station_id), [])]

    @property
    def drifts(self) -> list[Drift]:
        """The drifts that are kept, oldest first."""
        found = self.memory.data.get(keys.drifts(self.station_id), {}).values()
        return sorted((unpack(one, Drift) for one in found), key=lambda one: one.version)

    def sending(self, action: str, payload: dict[str, Any]) -> SendCommand:
        """Return an operator's request for a command."""
        text = msgspec.json.encode(payload).decode()
        return SendCommand(request_id=f"c{next(self._message_ids)}", action=action, payload=text)

    def reading(self) -> ReadConfiguration:
        """Return an operator's request for a read."""
        return ReadConfiguration(request_id=f"r{next(self._message_ids)}")

    def command(self, action: str, payload: dict[str, Any]) -> str:
        """Send a command as an operator and return its id, with nothing else in the way."""
        status, body = self.request(self.sending(action, payload))
        assert status == 202
        self.deliveries.clear()
        command_id: str = body["command_id"]
        return command_id

    def read(self) -> Snapshot:
        """Have the configuration read at an operator's word and return the snapshot."""
        assert self.request(self.reading())[0] == 202
        self.settle_down(60)
        return self.snapshot
