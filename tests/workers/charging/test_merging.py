"""Merging samples, as a property: repetition and order change neither what is stored nor what it tells."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.records.transactions import Transaction
from tests.workers.harness import START_MS, World
from workers.services import metering, transactions
from workers.services.reported import ENERGY, POWER, SOC, MeterReport, ReadingReport, SampleReport, StartReport
from workers.store.wants import WantReadings

MINUTE = 60_000

sample_reports = st.builds(
    SampleReport,
    st.integers(900, 20_000).map(str),
    st.sampled_from([ENERGY, POWER, SOC]),
    phase=st.sampled_from(["", "L1"]),
    context=st.sampled_from(["Sample.Periodic", "Sample.Clock"]),
)
reading_reports = st.builds(
    ReadingReport,
    st.integers(0, 12).map(lambda minute: START_MS + minute * MINUTE),
    st.lists(sample_reports, min_size=1, max_size=4).map(tuple),
)


def _slot(taken_at: int, one: Any) -> tuple[Any, ...]:
    return taken_at, one.measurand, one.phase, one.context


def _without_conflicts(messages: list[list[ReadingReport]]) -> list[list[ReadingReport]]:
    """Give samples of one time, measurand and phase the value that came first: which of two is right nobody knows."""
    values: dict[tuple[Any, ...], Any] = {}
    return [
        [
            ReadingReport(
                reading.taken_at,
                tuple(
                    msgspec.structs.replace(one, value=values.setdefault(_slot(reading.taken_at, one)[:3], one.value))
                    for one in reading.samples
                ),
            )
            for reading in message
        ]
        for message in messages
    ]


def _result(messages: list[list[ReadingReport]]) -> tuple[set[tuple[Any, ...]], Transaction]:
    """Send MeterValues to a fresh transaction; returns the samples stored and the transaction."""
    world = World()
    started = StartReport(connector_id=1, id_tag="T", started_at=START_MS, meter_start=1000)
    world.run(lambda draft: transactions.start(draft, started))
    (number,) = world.view.charging.open
    for message in messages:
        report = MeterReport(connector_id=1, transaction_id=number, readings=tuple(message))
        world.run(functools.partial(metering.record, report=report))
    readings = world.load(WantReadings(number))
    stored = [(*_slot(reading.taken_at, one), one.value) for reading in readings for one in reading.samples]
    assert len(stored) == len(set(stored)), "a sample is stored twice"
    return set(stored), world.view.charging.open[number]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(reading_reports, min_size=1, max_size=3), min_size=1, max_size=6).flatmap(
        lambda messages: st.tuples(st.just(messages), st.permutations([*messages, *messages[:2]]))
    )
)
def test_merging_does_not_depend_on_order_or_repetition(
    case: tuple[list[list[ReadingReport]], list[list[ReadingReport]]],
) -> None:
    """Whatever the order and however often messages come, the same samples are stored and tell the same."""
    straight, shuffled = case
    both = _without_conflicts([*straight, *shuffled])
    straight, shuffled = both[: len(straight)], both[len(straight) :]
    stored, one = _result(straight)
    again, other = _result(shuffled)
    assert stored == again
    expected = {
        (*_slot(reading.taken_at, sample), int(sample.value))
        for message in straight
        for reading in message
        for sample in reading.samples
    }
    assert stored == expected
    assert (one.energy_wh, one.last_meter_wh, one.last_sample_at) == (
        other.energy_wh,
        other.last_meter_wh,
        other.last_sample_at,
    )
    assert (one.last_power_w, one.last_soc, one.sample_count) == (
        other.last_power_w,
        other.last_soc,
        other.sample_count,
    )
    assert set(one.flags) == set(other.flags)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=30).flatmap(
        lambda steps: st.tuples(st.just(steps), st.permutations(range(len(steps))))
    )
)
def test_energy_is_the_registers_rise_in_any_order(case: tuple[list[int], list[int]]) -> None:
    """For a register that rises, energy is its rise, exactly, in whatever order the samples come."""
    steps, order = case
    register, messages = 1000, []
    for minute, step in enumerate(steps):
        register += step
        messages.append([ReadingReport(START_MS + (minute + 1) * MINUTE, (SampleReport(str(register)),))])
    _, found = _result([messages[place] for place in order])
    assert (found.energy_wh, found.flags) == (sum(steps), ())
