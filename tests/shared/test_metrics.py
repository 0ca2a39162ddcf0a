"""Metrics: the catalogue, the cheap series under it, and the text a scraper reads."""

import math
import re
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from shared import metrics, series
from shared.series import OPEN, Registry


def samples(registry: Registry) -> dict[str, float]:
    """Every sample of a registry, as Prometheus's own parser reads it."""
    return {
        sample.name + "".join(f"{{{key}={value}}}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(registry.render())
        for sample in family.samples
    }


def test_the_exposition_is_read_by_the_standard_parser() -> None:
    """Every family of the catalogue, its type and its help survive the round trip."""
    families = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    for family in metrics.REGISTRY.families.values():
        read = families[family.name.removesuffix("_total")]
        assert read.type == family.kind
        assert read.documentation == family.text


def test_the_process_shows_its_own_metrics() -> None:
    """CPU, memory and descriptors of the process come along."""
    assert b"process_cpu_seconds_total" in metrics.render()
    assert b"_created" not in metrics.render()


def test_counter_and_gauge() -> None:
    """Counters add up, gauges follow."""
    registry = Registry()
    counter, gauge = registry.counter("c_total", "c").labels(), registry.gauge("g", "g").labels()
    counter.inc()
    counter.inc(2.5)
    gauge.set(5)
    gauge.dec()
    assert samples(registry) == {"ampstream_c_total": 3.5, "ampstream_g": 4}


@given(st.lists(st.floats(0, 20), max_size=30))
def test_a_histogram_counts_what_is_at_or_below_each_edge(values: list[float]) -> None:
    """Buckets are cumulative, an edge belongs to its bucket, sum and count are those of the values."""
    registry = Registry()
    child = registry.histogram("h", "h", buckets=(0.5, 1, 10)).labels()
    for value in values:
        child.observe(value)
    found = samples(registry)
    for edge in (0.5, 1.0, 10.0, math.inf):
        text = "+Inf" if edge == math.inf else str(edge)
        assert found[f"ampstream_h_bucket{{le={text}}}"] == sum(value <= edge for value in values)
    assert found["ampstream_h_count"] == len(values)
    assert found["ampstream_h_sum"] == pytest.approx(sum(values))


def test_closed_label_sets_start_at_zero() -> None:
    """A metric whose labels are all closed shows every combination before the first event."""
    registry = Registry()
    registry.counter("c_total", "c", {"a": ("x", "y"), "b": ("1", "2")})
    assert len(samples(registry)) == 4
    assert set(samples(registry).values()) == {0}


def test_a_peer_cannot_make_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values outside a closed or registered set count as other, however many there are."""
    monkeypatch.setattr(series, "STRICT", False)
    registry = Registry()
    known = {"other", "Heartbeat"}
    counter = registry.counter("c_total", "c", {"action": known})
    for number in range(1000):
        counter.labels(f"Evil{number}").inc()
    counter.labels("Heartbeat").inc()
    assert samples(registry) == {"ampstream_c_total{action=other}": 1000, "ampstream_c_total{action=Heartbeat}": 1}


def test_an_undeclared_value_fails_a_test() -> None:
    """With STRICT, as in tests, a value missing from a closed set is an error; so is a wrong number of labels."""
    counter = Registry().counter("c_total", "c", {"a": ("x",)})
    with pytest.raises(ValueError, match="not declared"):
        counter.labels("y")
    with pytest.raises(TypeError, match="takes the labels"):
        counter.labels("x", "y")


@given(st.text(max_size=20))
def test_label_values_are_escaped(value: str) -> None:
    """Quotes, backslashes and line ends in a label come back as they went in."""
    clean = "".join(char for char in value if char.isprintable() or char == "\n")
    registry = Registry()
    registry.counter("c_total", "c", {"a": OPEN}).labels(clean).inc()
    (family,) = text_string_to_metric_families(registry.render())
    assert family.samples[0].labels == {"a": clean}


def test_reset_keeps_children() -> None:
    """A child that was kept still counts after a reset."""
    registry = Registry()
    child = registry.counter("c_total", "c").labels()
    child.inc(3)
    registry.reset()
    child.inc()
    assert samples(registry) == {"ampstream_c_total": 1}


def test_registered_actions_start_at_zero_and_others_do_not_exist() -> None:
    """After `register_actions` each action has its series; an unknown one counts as other."""
    metrics.register_actions(["Heartbeat"], ["Reset"])
    found = samples(metrics.REGISTRY)
    assert found["ampstream_edge_frames_total{action=Heartbeat}{direction=in}{type=call}"] == 0
    assert found["ampstream_edge_frames_total{action=Reset}{direction=out}{type=call}"] == 0
    metrics.EDGE_ACK_SECONDS.labels("Nonsense").observe(0.1)
    assert samples(metrics.REGISTRY)["ampstream_edge_ack_duration_seconds_count{action=other}"] == 1


def test_a_process_shows_what_it_knows(request: pytest.FixtureRequest) -> None:
    """An edge shows no gauges of the fleet, a worker none of sockets; both show what every process has."""
    request.addfinalizer(lambda: metrics.show_as(""))
    metrics.show_as("edge")
    edge = metrics.render().decode()
    assert "ampstream_edge_connections" in edge
    assert "ampstream_stations" not in edge
    metrics.show_as("worker")
    worker = metrics.render().decode()
    assert "ampstream_stations" in worker
    assert "ampstream_edge_connections" not in worker
    assert "ampstream_event_loop_lag_seconds" in edge
    assert "ampstream_event_loop_lag_seconds" in worker


def test_no_label_names_a_station_or_a_tag() -> None:
    """No metric has a label that could hold a station, an id tag, an address or a tenant."""
    forbidden = re.compile(r"station|tag|address$|ip|tenant|token|connector_id|transaction")
    for family in metrics.REGISTRY.families.values():
        assert not [label for label in family.label_sets if forbidden.search(label) and label != "same_address"]


def test_names_follow_the_conventions() -> None:
    """Counters end in _total, base units only, and every help text is a sentence."""
    for family in metrics.REGISTRY.families.values():
        assert family.name.startswith("ampstream_")
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert not re.search(r"_(ms|us|milliseconds|minutes|kb|wh)(_|$)", family.name)
        assert family.text.endswith(".")


def test_every_text_says_what_a_rise_means() -> None:
    """A help text goes on, behind what is counted, to what somebody should think of who sees it rise."""
    assert not [
        family.name for family in metrics.REGISTRY.families.values() if not re.search(r"[;:]|rise", family.text)
    ]


def test_the_objective_is_a_bucket_edge() -> None:
    """The service level's threshold of 0.5 s is an edge of the answers' histogram."""
    metrics.EDGE_ACK_SECONDS.labels("other").observe(0.5)
    assert samples(metrics.REGISTRY)["ampstream_edge_ack_duration_seconds_bucket{action=other}{le=0.5}"] == 1


def test_one_observation_is_cheap() -> None:
    """A frame passes half a dozen of these: one costs far less than a tenth of what it would have to."""
    child = Registry().histogram("h", "h").labels()
    best = min(timeit.repeat(lambda: child.observe(0.02), number=10_000, repeat=5)) / 10_000
    assert best < 2e-6
