"""Failed logins by address: bounded in memory, and begun anew a minute after the first."""

from edge.operators.auth_throttle import MAX_ADDRESSES, Throttle


def test_an_address_is_closed_at_its_limit_until_the_minute_is_over() -> None:
    """The failure that closes it is told once; others are not touched."""
    throttle = Throttle(3)
    assert [throttle.failed("192.0.2.1", 10.0) for _ in range(5)] == [False, False, True, False, False]
    assert throttle.wait_s("192.0.2.1", 20.0) == 50
    assert not throttle.wait_s("192.0.2.2", 20.0)
    assert throttle.wait_s("192.0.2.1", 69.5) == 1
    assert not throttle.wait_s("192.0.2.1", 70.0)


def test_a_network_of_ipv6_is_one_address() -> None:
    """A host has 2^64 addresses to itself: it does not get as many tries."""
    throttle = Throttle(3)
    for number in range(3):
        throttle.failed(f"2001:db8::{number}", 1.0)
    assert throttle.wait_s("2001:db8::ffff", 1.0)
    assert not throttle.wait_s("2001:db8:0:1::1", 1.0)


def test_memory_is_bounded() -> None:
    """Beyond so many addresses all share one count, which is larger."""
    throttle = Throttle(3)
    for number in range(MAX_ADDRESSES + 50):
        throttle.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1.0)
    assert len(throttle) <= MAX_ADDRESSES + 1
    assert throttle.wait_s("203.0.113.1", 1.0)
    assert not throttle.wait_s("10.0.0.1", 1.0)
