"""Timers of a fleet."""

import time

from ampstream.simulate.wheel import LoopWheel, ManualWheel
from tests.support import wait_until


def test_order_and_time() -> None:
    """Callbacks run in order of their times, then of creation, never early."""
    wheel, ran = ManualWheel(), []
    for name, delay in (("b", 0.5), ("c", 0.5), ("a", 0.1), ("d", 7.0)):
        wheel.after(delay, lambda n=name, d=delay: ran.append((n, wheel.now() >= d)))  # type: ignore[misc]
    wheel.turn(0.49)
    assert ran == [("a", True)]
    wheel.turn(1.0)
    assert ran == [("a", True), ("b", True), ("c", True)]
    wheel.turn(10.0)
    assert ran[-1] == ("d", True)
    assert wheel.next_due() is None


def test_cancel_and_set_again_inside() -> None:
    """A cancelled callback never runs; a callback may set the next."""
    wheel, ran = ManualWheel(), []
    wheel.after(1, lambda: ran.append("never")).cancel()

    def again() -> None:
        ran.append("again")
        if len(ran) < 3:
            wheel.after(0, again)

    wheel.after(1, again)
    wheel.turn(1.5)
    assert ran == ["again"] * 3


async def test_on_the_loop() -> None:
    """On the event loop an earlier timer set later still comes first, and none comes early."""
    wheel, ran = LoopWheel(), []
    begun = time.monotonic()
    wheel.after(0.2, lambda: ran.append(("late", time.monotonic() - begun)))
    wheel.after(0.05, lambda: ran.append(("early", time.monotonic() - begun)))
    await wait_until(lambda: len(ran) == 2)
    assert [name for name, _ in ran] == ["early", "late"]
    assert ran[0][1] >= 0.05
    assert ran[1][1] >= 0.2
    wheel.after(0.01, lambda: ran.append(("stopped", 0.0)))
    wheel.stop()
    due = time.monotonic() + 0.05
    await wait_until(lambda: time.monotonic() > due)
    assert len(ran) == 2
