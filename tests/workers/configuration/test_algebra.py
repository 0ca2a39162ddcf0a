"""Differences as an algebra, and coercion of whatever comes, by property."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.records.changes import apply, at_version, diff, inverted
from shared.records.configuration import KeyValue, Version
from shared.records.drift_rules import masked, matches
from shared.records.packing import pack, unpack
from workers.handlers.v16.configuration import read
from workers.services.configuration import coercion

VALUES = st.builds(KeyValue, st.none() | st.text(max_size=8), st.booleans())
KEYS = st.dictionaries(st.sampled_from("ABCDEFG") | st.text(max_size=6), VALUES, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
ITEMS = st.dictionaries(st.sampled_from(["key", "value", "readonly", "x"]), JSON, max_size=4)
ANSWERS = JSON | st.fixed_dictionaries({"configurationKey": st.lists(JSON | ITEMS, max_size=6) | ITEMS | JSON,
                                        "unknownKey": JSON})  # fmt: skip


@given(KEYS, KEYS)
def test_what_differs_makes_one_out_of_the_other(before: dict[str, KeyValue], after: dict[str, KeyValue]) -> None:
    """diff(a, b) applied to a gives b, undone from b gives a; equal ones differ in nothing."""
    changes = diff(before, after)
    assert apply(before, changes) == after
    assert apply(after, inverted(changes)) == before
    assert inverted(inverted(changes)) == changes
    assert (changes == ()) == (before == after)


@given(st.lists(KEYS, min_size=1, max_size=6))
def test_history_gives_every_version_back(snapshots: list[dict[str, KeyValue]]) -> None:
    """From the last configuration and the differences each older one follows."""
    history = [Version(version=1, read_at=0)]
    for number, (old, new) in enumerate(itertools.pairwise(snapshots), start=2):
        history.insert(0, Version(version=number, read_at=number, changes=diff(old, new)))
    for number, expected in enumerate(snapshots, start=1):
        assert at_version(snapshots[-1], history, number) == expected


@settings(max_examples=300)
@given(ANSWERS)
def test_no_answer_breaks_the_reading(answer: object) -> None:
    """Any JSON gives an answer or none; what comes of it is text and can be stored."""
    found = read(answer)
    if found is None:
        return
    for name, one in found.keys.items():
        assert name
        assert len(name) <= coercion.MAX_NAME
        assert len(one.value or "") <= coercion.MAX_VALUE
    assert unpack(pack(found.keys), dict[str, KeyValue]) == found.keys
    assert masked(found.keys, ("*",)).keys() == found.keys.keys()


@given(JSON)
def test_text_truth_and_numbers_never_raise(value: object) -> None:
    """Every value has a text, a truth and a number or none."""
    text = coercion.text(value)
    assert text is None or isinstance(text, str)
    assert isinstance(coercion.truth(value), bool)
    number = coercion.number(text, 1, 128)
    if number is not None:
        assert 1 <= number <= 128


@given(st.text(max_size=10), st.text(max_size=10))
def test_any_text_may_be_a_pattern(name: str, pattern: str) -> None:
    """Patterns know `*` and `?` alone; a name fits itself where it has none of them."""
    matches(name, (pattern,))
    assert matches(name, ("*",))
    if not set(name) & set("*?"):
        assert matches(name, (name,))


def test_what_vendors_send_is_understood() -> None:
    """Quirks 21 and 23: numbers, booleans, lists, single items, no value, no list of unknown keys."""
    answer = read(
        msgspec.json.decode(
            b"""{"configurationKey": [
                {"key": "Number", "readonly": "true", "value": 1634030126},
                {"key": "Boolean", "readonly": 0, "value": false},
                {"key": "List", "readonly": false, "value": ["Voltage", "SoC"]},
                {"key": "Object", "readonly": false, "value": {"a": 1}},
                {"key": "None", "readonly": false},
                {"value": "nameless"}, null]}"""
        )
    )
    assert answer is not None
    assert answer.keys == {
        "Number": KeyValue("1634030126", True),
        "Boolean": KeyValue("false"),
        "List": KeyValue("Voltage,SoC"),
        "Object": KeyValue('{"a":1}'),
        "None": KeyValue(None),
    }
    assert set(answer.oddities) == {"value", "readonly", "key"}
    assert coercion.number("1634030126", 1, 128) is None
    assert coercion.number(" 2.0 ", 1, 128) == 2
