"""Injected time."""

import asyncio

from shared.clock import Clock, ManualClock, SystemClock


async def test_a_manual_clock_stands_until_it_is_moved() -> None:
    """Time passes only by `advance`, on both hands."""
    clock = ManualClock(wall_ms=1_000, monotonic=5.0)
    await clock.advance(2.5)
    assert (clock.wall_ms(), clock.monotonic()) == (3_500, 7.5)


async def test_sleepers_wake_in_order_at_their_own_time() -> None:
    """Each sleeper sees its own due time, and one that sleeps again within the span wakes again."""
    clock = ManualClock(monotonic=0.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float, times: int) -> None:
        for _ in range(times):
            await clock.sleep(seconds)
            woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sleeper("slow", 3, 1))
        tasks.create_task(sleeper("fast", 1, 3))
        await asyncio.sleep(0)
        await clock.advance(2.5)
        assert woken == [("fast", 1), ("fast", 2)]
        await clock.advance(10)
    assert woken[2:] in ([("slow", 3), ("fast", 3)], [("fast", 3), ("slow", 3)])


async def test_a_cancelled_sleeper_is_passed_over() -> None:
    """A sleeper that was cancelled does not disturb the clock."""
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await clock.advance(2)
    assert task.cancelled()


async def test_the_wall_clock_may_jump_alone() -> None:
    """Setting the wall clock leaves monotonic time as it is."""
    clock = ManualClock(monotonic=1.0)
    clock.set_wall_ms(0)
    assert (clock.wall_ms(), clock.monotonic()) == (0, 1.0)


async def test_the_system_clock_runs() -> None:
    """The machine's clock is a Clock: milliseconds since 1970, and seconds that grow."""
    clock: Clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.009
    assert clock.wall_ms() > 1_700_000_000_000
