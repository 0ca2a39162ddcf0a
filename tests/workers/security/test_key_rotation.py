"""A station's key changes, and whatever dies in between, the station gets in with the key that it has."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from shared import credentials, envelopes
from shared.bus import keys
from shared.envelopes import Close, Command, Kind, SessionOpened
from shared.records.credentials import Rotation
from shared.records.events import KeyRotation, SecurityEvent
from shared.records.jobs import JobResult
from shared.records.packing import unpack
from shared.records.requests import CancelCommand, DeleteStation, LeaveJob, RotateKey, UpdateStation
from tests.workers.harness import World
from workers.services.credentials import MAX_SENT

PEPPER = b"p" * 32


class Site:
    """A station with a key, and the door that it comes in by."""

    def __init__(self) -> None:
        self.world = World()
        self.key = credentials.make_key()
        """What the station has, in truth."""
        self.world.memory.data[keys.door("CP1")] = {"key": credentials.hash_key(self.key, PEPPER).encode()}
        self.dial()
        self.world.call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
        self.world.advance(2)
        self._seen = 0

    @property
    def door(self) -> dict[str, str]:
        return {name: value.decode() for name, value in self.world.memory.data[keys.door("CP1")].items()}

    @property
    def rotation(self) -> Rotation:
        """Where the change stands."""
        found = self.world.view.credentials.rotation
        assert found is not None
        return found

    def state(self) -> str:
        """Its word."""
        return self.rotation.state

    def opens(self, key: str) -> str:
        """What the door says to a key: the mark of the stored one that it is, or nothing."""
        stored = [self.door.get(name, "") for name in ("key", "pending_key")]
        return next((credentials.mark(one) for one in stored if credentials.verify(key.encode(), one, PEPPER)), "")

    def dial(self) -> None:
        """Dial in with the key that the station has; it is never locked out."""
        proof = self.opens(self.key)
        assert proof, "the station is locked out"
        self.world.advance(1)
        self.world.open(proof=proof)

    def ask(self, job: str = "") -> tuple[int, Any]:
        key = credentials.make_key()
        request = RotateKey(
            request_id=f"r{random.random()}", by="ops", key=key, key_hash=credentials.hash_key(key, PEPPER), job=job
        )
        if job:
            self.world.feed(self.world.entry(Kind.REQUEST, envelopes.encode(request), epoch=0))
            return 202, None
        return self.world.request(request)

    def sent(self) -> tuple[str, str] | None:
        """The key of the next command on the wire, with its id; None where there is none."""
        found = self.world.items_of(Command)[self._seen :]
        for item in found:
            self._seen += 1
            _, message_id, action, payload = msgspec.json.decode(item.frame)
            if action == "ChangeConfiguration" and payload["key"] == "AuthorizationKey":
                return message_id, payload["value"]
        return None


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_rotation_from_key_to_key(site: Site) -> None:
    """Stored before it is sent, both keys count, and the old one ends when the station came with the new one."""
    old = site.key
    assert site.ask()[0] == 202
    assert site.rotation.state == "sending"
    command = site.sent()
    assert command is not None
    assert site.opens(old)
    assert site.opens(command[1])
    site.key = command[1]
    site.world.answer(command[0], {"status": "Accepted"})
    assert (site.rotation.state, bool(site.rotation.key)) == ("taken", True)
    assert site.opens(old)
    site.world.advance(20)
    (close,) = site.world.items_of(Close)
    assert close.code == 1012  # It stays connected with the old one: it is sent to fetch.
    site.dial()
    assert site.state() == "done"
    assert not site.opens(old)
    assert "pending_key" not in site.door
    assert [event.state for event in site.world.events_of(KeyRotation)] == ["sending", "taken", "done"]
    assert [event.kind for event in site.world.events_of(SecurityEvent)] == ["StationKeyChanged"]
    assert site.world.count("key_rotations_total", "done") == 1


def test_a_station_without_a_key_gets_its_first_one(site: Site) -> None:
    """Nothing proves it before; once it came with the key, nobody comes without."""
    del site.world.memory.data[keys.door("CP1")]["key"]
    site.ask()
    command = site.sent()
    assert command is not None
    site.key = command[1]
    site.world.answer(command[0], {"status": "Accepted"})
    assert "key" not in site.door
    site.dial()
    assert site.state() == "done"
    assert site.opens(command[1])
    assert site.door["key"]


def test_the_key_is_on_the_wire_and_nowhere_else(site: Site) -> None:
    """Records of commands, events, histories and the reply hold no key; the state holds it until it is used."""
    _, reply = site.ask()
    command = site.sent()
    assert command is not None
    secret = command[1]
    found = site.world.memory.data[keys.command("CP1", command[0])]
    assert b'"value":"***"' in found
    site.world.answer(command[0], {"status": "Accepted"})
    site.key = secret
    site.dial()

    def holds(value: Any) -> bool:
        if isinstance(value, bytes):
            return secret.encode() in value or bytes.fromhex(secret) in value
        if isinstance(value, dict):
            return any(holds(one) for one in value.values())
        return isinstance(value, (list, tuple)) and any(holds(one) for one in value)

    assert not holds(site.world.memory.data)
    assert not holds(list(site.world._sections.values()))
    assert secret not in json.dumps(reply)
    assert not any(secret.encode() in msgspec.msgpack.encode(event) for event in site.world.events)
    assert secret not in repr(RotateKey(request_id="r", key=secret, key_hash=""))


@pytest.mark.parametrize("answer", [{"status": "Rejected"}, {"status": "NotSupported"}])
def test_a_refusal_keeps_the_old_key(site: Site, answer: dict[str, str]) -> None:
    """A01.FR.04: the new key is forgotten, and another rotation may begin."""
    site.ask()
    command = site.sent()
    assert command is not None
    site.world.answer(command[0], answer)
    assert (site.rotation.state, site.rotation.answer) == ("refused", answer["status"])
    assert not site.opens(command[1])
    assert site.opens(site.key)
    assert site.ask()[0] == 202


def test_silence_is_no_refusal(site: Site) -> None:
    """Without an answer both keys count; the same one is sent again, after a while and at the next connect."""
    site.ask()
    first = site.sent()
    assert first is not None
    site.world.advance(31)
    assert site.rotation.state == "unknown"
    assert site.opens(first[1])
    site.world.advance(61)
    again = site.sent()
    assert again is not None
    assert again[1] == first[1]
    assert again[0] != first[0]
    site.dial()  # With the old one: it took neither.
    third = site.sent()
    if third is None:
        site.world.advance(40)
        third = site.sent()
    assert third is not None
    assert third[1] == first[1]


@pytest.mark.parametrize("asked_again", [False, True])
@pytest.mark.parametrize("end", ["Rejected", "cancelled", "expired"])
def test_what_comes_of_a_second_command_says_nothing_of_the_first(site: Site, end: str, asked_again: bool) -> None:
    """It took the key and could not say so; then the same key is refused, or does not get as far: both still count."""
    site.ask()
    first = site.sent()
    assert first is not None
    site.key = first[1]
    site.world.advance(31)
    assert site.rotation.state == "unknown"
    if end != "Rejected":
        site.world.close()
    site.ask() if asked_again else site.world.advance(61)
    if end == "Rejected":
        again = site.sent()
        assert again is not None
        site.world.answer(again[0], {"status": "Rejected"})
    elif end == "cancelled":
        site.world.request(CancelCommand(request_id="c", command_id=site.rotation.command_id))
    else:
        site.world.advance(30 * 24 * 3600)
    assert site.opens(site.key), "the station is locked out"
    site.dial()
    assert site.state() == "done"


def test_a_late_answer_counts(site: Site) -> None:
    """An answer after the time is over tells what became of the key (quirk 24)."""
    site.ask()
    command = site.sent()
    assert command is not None
    site.world.advance(31)
    site.world.answer(command[0], {"status": "Accepted"})
    assert site.rotation.state == "taken"


def test_a_key_that_may_be_on_the_station_is_never_replaced(site: Site) -> None:
    """Asked again while nobody knows: the same key goes out; while one is on its way or not yet used: 409."""
    site.ask()
    first = site.sent()
    assert first is not None
    status, problem = site.ask()
    assert (status, problem["detail"]) == (409, "a new key is on its way")
    site.world.advance(31)
    assert site.ask()[0] == 202
    again = site.sent()
    assert again is not None
    assert again[1] == first[1]
    site.world.answer(again[0], {"status": "RebootRequired"})
    assert (site.rotation.state, site.rotation.answer) == ("taken", "RebootRequired")
    assert site.ask()[0] == 409
    site.world.advance(60)
    assert not site.world.items_of(Close)  # A reconnect would not help: it wants a reboot.


def test_a_key_that_a_reboot_did_not_bring_is_sent_again(site: Site) -> None:
    """A station that took the key and boots with the old one gets the same again, five times; then it must be asked."""
    site.ask(job="j1")
    first = site.sent()
    assert first is not None
    site.world.answer(first[0], {"status": "RebootRequired"})
    assert site.rotation.needs_reboot
    assert site.ask()[1]["detail"].endswith("it must be rebooted (Reset)")
    site.dial()
    assert site.state() == "taken"  # It has not booted.
    for _ in range(MAX_SENT - 1):
        reboot(site)
        again = site.sent()
        assert again is not None
        assert again[1] == first[1]
        site.world.answer(again[0], {"status": "RebootRequired"})
    reboot(site)
    assert (site.state(), site.sent()) == ("unknown", None)
    assert unpack(site.world.memory.data[keys.job_ended("j1")]["CP1"], JobResult).outcome == "timed_out"
    assert site.ask()[0] == 202
    site.key = first[1]
    site.dial()
    assert (site.state(), site.rotation.key) == ("done", "")


def reboot(site: Site) -> None:
    """Let the station boot, with the key that it has."""
    site.world.advance(2)
    site.dial()
    site.world.call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    site.world.advance(2)


def test_setting_another_key_ends_a_rotation(site: Site) -> None:
    """An operator's word counts: the pending key is forgotten, and its command taken back."""
    site.world.close()
    site.ask()
    mine = credentials.make_key()
    site.world.request(UpdateStation(request_id="u1", key_hash=credentials.hash_key(mine, PEPPER)))
    assert site.rotation.state == "refused"
    assert site.opens(mine)
    assert "pending_key" not in site.door
    assert not site.world.view.commands.queue
    site.key = mine
    site.dial()
    assert site.sent() is None
    assert site.world.request(DeleteStation(request_id="d1"))[0] == 200


def test_jobs_are_told(site: Site) -> None:
    """A job gets its result when the station came with the new key, or refused it, or left the job."""

    def result(job: str) -> JobResult:
        return unpack(site.world.memory.data[keys.job_ended(job)]["CP1"], JobResult)

    site.ask(job="j1")
    site.ask(job="j2")  # One that is under way is as good.
    command = site.sent()
    assert command is not None
    site.key = command[1]
    site.world.answer(command[0], {"status": "Accepted"})
    assert keys.job_ended("j1") not in site.world.memory.data
    leaving = envelopes.encode(LeaveJob(request_id="l", job="j2"))
    site.world.feed(site.world.entry(Kind.REQUEST, leaving, epoch=0))
    site.dial()
    assert result("j1").outcome == "accepted"
    assert result("j2").outcome == "cancelled"
    site.world.advance(31)
    site.ask(job="j3")
    again = site.sent()
    assert again is not None
    site.world.answer(again[0], {"status": "Rejected"})
    assert (result("j3").outcome, result("j3").detail) == ("rejected", "Rejected")


def test_a_station_with_a_certificate_needs_no_key(site: Site) -> None:
    """It would never come with it."""
    site.world.open(security_profile=3)
    status, problem = site.ask()
    assert (status, problem["detail"]) == (409, "the station proves itself by a certificate, and uses no key")


def test_no_key_that_was_never_asked_for_opens(site: Site) -> None:
    """A session's proof of another key changes nothing."""
    site.ask()
    site.world.advance(1)
    site.world.open(proof="0123456789abcdef")
    assert site.rotation.state in ("unknown", "sending")
    assert SessionOpened("ocpp1.6").proof == ""


@pytest.mark.parametrize("seed", range(60))
def test_whatever_dies_the_station_is_never_locked_out(seed: int) -> None:
    """Random deaths at every step; after each the key that the station has in truth opens, in the end the new one."""
    draw = random.Random(seed)
    site = Site()
    for _ in range(draw.randrange(1, 4)):
        if site.world.view.credentials.rotation is None or site.rotation.state not in ("sending", "taken"):
            site.ask()
        for _ in range(draw.randrange(1, 8)):
            _happen(site, draw)
            assert site.opens(site.key), "the station is locked out"
    # Nothing dies any more: it ends, with the new key.
    for _ in range(20):
        rotation = site.rotation
        if rotation.state in ("done", "refused"):
            break
        if rotation.state == "unknown":
            site.ask()
        command = site.sent()
        if command is not None:
            site.key = command[1]
            site.world.answer(command[0], {"status": "Accepted"})
        site.dial()
        site.world.advance(40)
    assert site.rotation.state == "done"
    assert site.door["key"] == credentials.hash_key(site.key, PEPPER)
    assert "pending_key" not in site.door


def _happen(site: Site, draw: random.Random) -> None:
    kind = draw.choice(("lost before", "lost after", "answered", "reboot", "vanish", "time", "dial"))
    command = site.sent()
    if kind == "lost after" and command is not None:
        site.key = command[1]  # Taken, and the answer never came.
    elif kind == "answered" and command is not None:
        site.key = command[1]
        site.world.answer(command[0], {"status": "Accepted"})
    elif kind == "vanish":
        site.world.close()
    elif kind == "time":
        site.world.advance(draw.choice((1, 35, 100)))
    elif kind in ("dial", "reboot"):
        site.dial()
        if kind == "reboot":
            site.world.call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
