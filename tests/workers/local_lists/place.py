"""A station with a local list, in memory, and the list that it is to hold: what is sent is really carried out.

place = Place(tags=[IdTag(id_tag="A")])
place.publish()             # the list's next version
place.boot(); place.serve() # the station boots, and answers commands until none is left
place.held()                # its tags
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ampstream.simulate.configuration import Configuration
from ampstream.simulate.locallist import LocalList as Simulated
from shared import envelopes
from shared.bus import keys
from shared.envelopes import Command, Kind
from shared.ocpp.v16.messages import SendLocalListRequest
from shared.policy import Policy
from shared.records import local_lists
from shared.records.authorization import AuthorizationPolicy, ListRule, Policies
from shared.records.configuration import KeyValue, Snapshot
from shared.records.jobs import JobResult
from shared.records.local_lists import Head, Item, LocalList
from shared.records.packing import pack, unpack
from shared.records.requests import Request
from shared.records.tags import IdTag
from tests.workers.charging.site import Site

Answer = Callable[[str, dict[str, Any]], Any]


class Place(Site):
    """A station under the policy `retail`."""

    def __init__(
        self,
        tags: Iterable[IdTag] = (),
        *,
        at_once: int = 3,
        in_all: int = 100,
        rule: ListRule | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.tags = {tag.id_tag.lower(): tag for tag in tags}
        self.rule = rule or ListRule()
        self.list_id = "retail-1"
        self.names: dict[str, bytes] = {}
        self.version = 0
        self.configuration = Configuration(SendLocalListMaxLength=str(at_once), LocalAuthListMaxLength=str(in_all))
        self.list = Simulated(self.configuration)
        self._answered: set[str] = set()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        super().__init__(policy or Policy(unknown_stations="accept", unknown_tags="reject"))
        self.put_policy(AuthorizationPolicy(name="retail", mode="local", list=self.rule))
        told = {"SendLocalListMaxLength": str(at_once), "LocalAuthListMaxLength": str(in_all)}
        told["SupportedFeatureProfiles"] = "Core,LocalAuthListManagement"
        self.memory.data[keys.configuration(self.station_id)] = pack(
            Snapshot(read_at=1, keys={name: KeyValue(value) for name, value in told.items()})
        )
        self.publish()

    def put_policy(self, policy: AuthorizationPolicy | None) -> None:
        """Let this be the only policy."""
        held = Policies({policy.name: policy} if policy is not None else {})
        self.memory.data[keys.AUTHORIZATION] = pack(held)

    def publish(self, *tags: IdTag, gone: Iterable[str] = ()) -> None:
        """Change tags, and make the list's next version of what differs."""
        self.tags.update({tag.id_tag.lower(): tag for tag in tags})
        for name in gone:
            del self.tags[name.lower()]
        held = {name: local_lists.read(found)[1] for name, found in self.names.items()}
        wanted = [item for tag in self.tags.values() if (item := local_lists.item_of(tag, self.rule, self.now))]
        changed = local_lists.changes(held, wanted)
        if not changed and self.version:
            return
        self.version += 1
        items: dict[Any, float] = self.memory.data.setdefault(keys.list_items("retail"), {})
        for name, item in changed.items():
            items.pop(self.names.get(name), None)
            self.names[name] = local_lists.member(self.version, item)
            items[self.names[name]] = 0.0
        placed = sum(bool(item.sites) for item in wanted)
        head = Head(list_id=self.list_id, version=self.version, count=len(wanted), placed=placed, changed_at=self.now)
        self.memory.data[keys.list_head("retail")] = pack(head)

    def serve(self, answer: Answer | None = None, most: int = 500) -> int:
        """Answer what the station is sent until nothing more comes; returns how many commands that were."""
        served = 0
        while served < most:
            waiting = [item for item in self.items_of(Command) if item.command_id not in self._answered]
            if not waiting:
                return served
            for item in waiting:
                self._answered.add(item.command_id)
                _, _, action, payload = msgspec.json.decode(item.frame)
                self.asked.append((action, payload))
                found = (answer or self.answer_to)(action, payload)
                served += 1
                if found is not None:
                    self.answer(item.command_id, found)
        raise AssertionError("commands without end")

    def answer_to(self, action: str, payload: dict[str, Any]) -> Any:
        """Do what a good station does."""
        if action == "GetLocalListVersion":
            return {"listVersion": self.list.version}
        if action == "SendLocalList":
            return {"status": self.list.update(msgspec.convert(payload, SendLocalListRequest)).value}
        return {"status": "NotSupported"}

    def run_request(self, request: Request) -> None:
        """Let a job ask: nobody waits for a reply."""
        self.feed(self.entry(Kind.REQUEST, envelopes.encode(request), epoch=0))

    def results(self, job: str) -> dict[str, JobResult]:
        """Return what a job was told, by station."""
        found = self.memory.data.get(keys.job_ended(job), {})
        return {name: unpack(packed, JobResult) for name, packed in found.items()}

    @property
    def listed(self) -> LocalList:
        """Section `ll`."""
        packed = self._sections.get("ll")
        return unpack(packed, LocalList) if packed else LocalList()

    def held(self) -> dict[str, str]:
        """Return the station's tags, as it spells them, with their status."""
        return {name: info.status.value for name, info in self.list._tags.items()}

    def wanted(self) -> dict[str, str]:
        """Return what it should hold."""
        items = [item for tag in self.tags.values() if (item := local_lists.item_of(tag, self.rule, self.now))]
        return {item.id_tag: item.status.capitalize() for item in items}

    def look(self) -> None:
        """Let the station boot in a new session, and serve what comes of it."""
        self.open()
        self.boot()
        self.advance(6)
        self.serve()


def items_named(payload: dict[str, Any]) -> list[str]:
    """Return the tags of a message."""
    return [entry["idTag"] for entry in payload.get("localAuthorizationList", [])]


def item(id_tag: str) -> Item:
    """Return an accepted tag's item."""
    return Item(id_tag, "accepted")
