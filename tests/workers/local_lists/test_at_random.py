"""Whatever happens to a list on its way, a station ends with what it should hold, in messages that it may be sent."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.records import local_lists
from shared.records.local_lists import Item
from shared.records.tags import IdTag
from tests.workers.local_lists.place import Place, items_named

NAMES = st.text("ABCDEFGHIJ", min_size=1, max_size=1)
ITEMS = st.dictionaries(NAMES, st.sampled_from(["accepted", "blocked"]), max_size=8)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, st.sampled_from(["accepted", "blocked"])),
        st.tuples(st.just("drop"), NAMES),
        st.tuples(st.just("publish")),
        st.tuples(st.just("boot")),
        st.tuples(st.just("forget")),
        st.tuples(st.just("mute"), st.sampled_from(["before", "after"])),
        st.tuples(st.just("fail"), st.sampled_from(["Failed", "VersionMismatch"])),
        st.tuples(st.just("wait"), st.integers(1, 100)),
    ),
    min_size=1,
    max_size=12,
)


@given(st.lists(ITEMS, min_size=1, max_size=6), st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_changes_behind_any_version_lead_to_the_newest(
    versions: list[dict[str, str]], at_once: int, draw: random.Random
) -> None:
    """From whatever version, the items behind its cursor, in chunks of any size, make what the newest has."""
    held: dict[str, bytes] = {}
    for number, content in enumerate(versions, 1):
        before = {name: local_lists.read(found)[1] for name, found in held.items()}
        for name, item in local_lists.changes(before, [Item(key, value) for key, value in content.items()]).items():
            held[name] = local_lists.member(number, item)
    begun = draw.randrange(len(versions) + 1)
    station = dict(versions[begun - 1]) if begun else {}
    cursor = local_lists.end_of(begun) if begun else local_lists.BEGIN
    while True:
        behind = sorted(found for found in held.values() if found > cursor.encode())[:at_once]
        if not behind:
            break
        for found in behind:
            version, item = local_lists.read(found)
            cursor = local_lists.after(version, item)
            station.pop(item.id_tag, None)
            if item.status:
                station[item.id_tag] = item.status
    assert station == versions[-1]


class Unlucky:
    """A station that now and then refuses, says nothing, or forgets."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.faults: list[tuple[str, str]] = []
        self.numbers: list[int] = []

    def answer(self, action: str, payload: dict[str, Any]) -> Any:
        """Answer, with the next fault where there is one."""
        if action == "SendLocalList":
            assert len(items_named(payload)) <= 3
            assert len(set(items_named(payload))) == len(items_named(payload))
            assert payload["listVersion"] > max([0, *self.numbers]), "every message has a number of its own"
            self.numbers.append(payload["listVersion"])
        kind, how = self.faults.pop(0) if self.faults else ("", "")
        if kind == "fail" and action == "SendLocalList":
            return {"status": how}
        if kind == "mute" and how == "before":
            return None
        found = self.place.answer_to(action, payload)
        return None if kind == "mute" else found

    def step(self, name: str, *args: Any) -> None:
        """Let something happen."""
        place = self.place
        if name == "put":
            place.tags[args[0].lower()] = IdTag(id_tag=args[0], status=args[1])
        elif name == "drop":
            place.tags.pop(args[0].lower(), None)
        elif name == "publish":
            place.publish()
        elif name in ("mute", "fail"):
            self.faults.append((name, *args))
        elif name == "forget":
            place.list._tags, place.list._version = {}, 0
        elif name == "wait":
            place.advance(args[0])
        else:
            place.open()
            place.boot()
        place.serve(self.answer)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_a_station_holds_in_the_end_what_it_should(steps: list[tuple[Any, ...]]) -> None:
    """Losses, refusals, reboots and changes in the middle: once they end, a boot brings the list in line, for good."""
    place = Place([IdTag(id_tag=name) for name in "ABCDE"])
    station = Unlucky(place)
    for name, *args in steps:
        station.step(name, *args)
    station.faults.clear()
    place.publish()
    for _ in range(2):
        place.advance(120)
        place.serve(station.answer)
        place.open()
        place.boot()
        place.advance(6)
        place.serve(station.answer)
    assert place.listed.state == "in_line"
    assert place.held() == place.wanted()
    assert place.listed.version == place.version
    sent = len(place.asked)
    place.advance(600)
    place.serve(station.answer)
    assert len(place.asked) == sent, "nothing more is sent"
