"""The audit log's chain: whatever is altered, taken away or put in shows."""

from __future__ import annotations

import msgspec
import pytest

from shared.records.audit import RETENTION, START, Actor, Checker, Entry, Link, Verdict, link

WHO = Actor(kind="token", name="ops")
SYSTEM = Actor(kind="system", name="ampstream")


def chain(count: int = 6, first: int = 1, previous: str = START, **fields: object) -> list[Link]:
    """Return a sound chain."""
    links: list[Link] = []
    for seq in range(first, first + count):
        entry = Entry(seq=seq, at=1000 + seq, phase="refused", action="x", who=WHO, status=403)
        links.append(link(msgspec.structs.replace(entry, **fields), previous))
        previous = links[-1].hash
    return links


def verdict_of(links: list[Link], expected: dict[int, str] | None = None) -> Verdict:
    """Check links as they come out of an export."""
    checker = Checker(expected)
    checker.feed(msgspec.json.decode(msgspec.json.encode(one), type=Link) for one in links)
    return checker.verdict()


def test_a_sound_chain_is_sound() -> None:
    """Nothing is found where nothing was done, and the last hash stands for all of it."""
    links = chain()
    found = verdict_of(links)
    assert (found.sound, found.first, found.last, found.hash) == (True, 1, 6, links[-1].hash)
    assert verdict_of([]).sound


def altered(links: list[Link], at: int) -> list[Link]:
    """Change an entry's text, and leave its hash."""
    text = bytes(links[at].entry).replace(b'"ops"', b'"joe"')
    return [*links[:at], Link(msgspec.Raw(text), links[at].previous, links[at].hash), *links[at + 1 :]]


def rehashed(links: list[Link], at: int) -> list[Link]:
    """Change an entry's text, and its hash."""
    entry = msgspec.structs.replace(links[at].read(), address="192.0.2.1")
    return [*links[:at], link(entry, links[at].previous), *links[at + 1 :]]


@pytest.mark.parametrize("at", range(6))
def test_tampering_shows(at: int) -> None:
    """An entry that was altered, taken out or doubled is named; so is one whose hash was made to fit."""
    links = chain()
    assert not verdict_of(altered(links, at)).sound
    assert not verdict_of([*links[: at + 1], links[at], *links[at + 1 :]]).sound
    if at < 5:
        assert not verdict_of(rehashed(links, at)).sound
        assert not verdict_of([*links[:at], *links[at + 1 :]]).sound


def test_a_rewritten_end_shows_against_a_hash_that_was_noted() -> None:
    """Who rewrites everything behind a place makes a sound chain, and still contradicts a hash that was kept."""
    links = chain()
    rewritten = [*links[:3], *chain(3, first=4, previous=links[2].hash, address="192.0.2.1")]
    assert verdict_of(rewritten).sound
    assert not verdict_of(rewritten, {5: links[4].hash}).sound
    assert not verdict_of(links[:4], {5: links[4].hash}).sound
    assert verdict_of(links, {5: links[4].hash}).sound


def test_a_missing_beginning_must_be_retentions() -> None:
    """What left for its age stands in a later entry; without one somebody took it."""
    links = chain()
    gone = Entry(seq=7, at=1007, phase="noted", action=RETENTION, who=SYSTEM)
    gone = msgspec.structs.replace(gone, details={"from": 1, "through": 2, "hash": links[1].hash})
    told = [*links, link(gone, links[-1].hash)]
    assert verdict_of(told[2:]).sound
    assert verdict_of(told).sound
    assert not verdict_of(told[3:]).sound
    assert not verdict_of(links[2:]).sound


def test_a_change_without_an_end_is_named() -> None:
    """What began and did not end is no tampering, but somebody must look."""
    begun = link(Entry(seq=1, at=5, phase="begun", action="x", who=WHO), START)
    assert verdict_of([begun]).unknown == [1]
    ended = link(Entry(seq=2, at=6, phase="ended", action="x", who=WHO, begun="5-1", status=200), begun.hash)
    assert verdict_of([begun, ended]).unknown == []
