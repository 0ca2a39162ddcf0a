"""A station with configuration keys that answers commands as it is told to behave, in a `World`."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.bus import keys
from shared.envelopes import Command
from shared.ocpp import frames
from shared.policy import Policy
from shared.records.packing import pack
from shared.records.templates import MeterData, Template, Templates
from tests.workers.harness import World

BOOT = {"chargePointVendor": "Nordwall", "chargePointModel": "Home 11", "firmwareVersion": "1.0"}
SAMPLED = "MeterValuesSampledData"
ALL_MEASURANDS = ("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage", "SoC")


class Behaviour(msgspec.Struct, kw_only=True):
    """What a station does with what it is told."""

    readonly: set[str] = set()
    refused: dict[str, str] = {}
    """Key -> the status that it answers."""
    reboot: set[str] = set()
    """Keys that take effect after a reboot."""
    reverting: set[str] = set()
    """Keys that are their old value again after a boot."""
    ignored: set[str] = set()
    """Keys that it accepts and does not change."""
    supported: set[str] = msgspec.field(default_factory=lambda: set(ALL_MEASURANDS))
    longest: int = 0
    """Items of a list that it takes; 0: any number."""
    drops: bool = False
    """It takes a whole list and keeps what it supports."""
    reset: dict[str, str] = {}
    """Type of reset -> status."""


class Site(World):
    """One station, played: `settle_commands` answers everything that it is sent."""

    def __init__(self, held: dict[str, str] | None = None, **behaviour: Any) -> None:
        policy = Policy(unknown_stations="accept", unknown_tags="accept", configuration_every_ms=86_400_000)
        super().__init__(policy=policy)
        self.held = {SAMPLED: "Energy.Active.Import.Register", "MeterValueSampleInterval": "60"} | (held or {})
        self.first = dict(self.held)
        self.after_boot: dict[str, str] = {}
        self.behaviour = Behaviour(**behaviour)
        self.said: list[tuple[str, dict[str, Any]]] = []
        """Every command that it got: action and payload."""
        self.resets: list[str] = []
        self._seen = 0
        self._acts = {"GetConfiguration": self._get, "ChangeConfiguration": self._change, "Reset": self._reset}

    def want(self, *templates: Template) -> None:
        """Store templates as operators do."""
        made = Templates({one.name: one for one in templates})
        self.memory.data[keys.TEMPLATES] = pack(made)

    # ── what it does ─────────────────────────────────────────────────────────────────────────────────────────────

    def boot(self, **more: Any) -> None:
        """Come back, boot, and let all that follows happen."""
        self.held |= self.after_boot
        self.after_boot = {}
        for key in self.behaviour.reverting & self.first.keys():
            self.held[key] = self.first[key]
        self.open()
        self.call("BootNotification", BOOT | more)
        self.advance(2)
        self.settle_commands()

    def settle_commands(self, limit: int = 1000) -> int:
        """Answer commands until none comes, `limit` at most; returns how many there were."""
        for n in range(limit):
            command = self.next_command()
            if command is None:
                return n
            self.reply(command)
        return limit

    def next_command(self) -> Command | None:
        """Return the next command that was not yet seen."""
        sent = self.items_of(Command)
        if self._seen == len(sent):
            return None
        self._seen += 1
        return sent[self._seen - 1]

    def reply(self, command: Command) -> None:
        """Do what a command asks and answer it."""
        call = frames.decode(command.frame)
        assert isinstance(call, frames.Call)
        payload = msgspec.json.decode(call.payload)
        self.said.append((call.action, payload))
        self.answer(command.command_id, self._acts[call.action](payload))

    def changes(self, key: str = "") -> list[str]:
        """Return the values that ChangeConfiguration brought, of one key or of all."""
        return [
            said["value"]
            for action, said in self.said
            if action == "ChangeConfiguration" and (not key or said["key"] == key)
        ]

    def _get(self, payload: dict[str, Any]) -> Any:
        asked = payload.get("key") or list(self.held)
        known = [
            {"key": key, "readonly": key in self.behaviour.readonly, "value": self.held[key]}
            for key in asked
            if key in self.held
        ]
        return {"configurationKey": known, "unknownKey": [key for key in asked if key not in self.held]}

    def _change(self, payload: dict[str, Any]) -> Any:
        key, value, how = payload["key"], payload["value"], self.behaviour
        if key in how.refused:
            return {"status": how.refused[key]}
        if key not in self.held:
            return {"status": "NotSupported"}
        if key.endswith("Data"):
            wanted = [one for one in value.split(",") if one]
            if how.drops:
                value = ",".join(one for one in wanted if one in how.supported)
            elif not set(wanted) <= how.supported or (how.longest and len(wanted) > how.longest):
                return {"status": "Rejected"}
        if key in how.ignored:
            return {"status": "Accepted"}
        if key in how.reboot:
            self.after_boot[key] = value
            return {"status": "RebootRequired"}
        self.held[key] = value
        return {"status": "Accepted"}

    def _reset(self, payload: dict[str, Any]) -> Any:
        self.resets.append(payload["type"])
        return {"status": self.behaviour.reset.get(payload["type"], "Accepted")}

    # ── what is known of it ──────────────────────────────────────────────────────────────────────────────────────

    def state(self, key: str) -> str:
        """Return how a wanted key stands."""
        return self.view.tuned.keys[key.lower()].state

    def overall(self) -> str:
        """Return how the station stands over all templates."""
        return self.view.tuned.templates[""].state

    def index(self) -> set[str]:
        """Return the members of the fleet's index."""
        return set(self.memory.data.get(keys.TUNING, {}))


def template(name: str = "base", **fields: Any) -> Template:
    """Make a template; `revision` is when it was changed."""
    meter = MeterData(**fields.pop("meter_data", {}))
    return Template(name=name, updated_at=fields.pop("revision", 1), meter_data=meter, **fields)
