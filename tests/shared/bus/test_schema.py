"""The version of what is stored: set at first start, raised by all workers together, refused where it is too new."""

import pytest

from shared.bus import keys, schema
from shared.bus.lane import Lane
from shared.bus.server import Unfit, verify
from shared.settings import Settings


@pytest.mark.parametrize(
    ("stored", "announced", "expected"),
    [
        (1, {"a": 2, "b": 2}, 2),
        (1, {"a": 2, "b": 1}, 1),
        (1, {"a": 3, "b": 2}, 2),
        (1, {"a": 2}, 1),
        (2, {"a": 1, "b": 1}, 2),
    ],
)
def test_schema_rises_with_the_last_worker(stored: int, announced: dict[str, int], expected: int) -> None:
    """It becomes what every live worker knows; one that announces nothing knows the first; it never falls."""
    assert schema.risen(stored, ["a", "b"], announced) == expected


def test_nobody_alive_raises_nothing() -> None:
    """Without a live worker the schema stays."""
    assert schema.risen(1, [], {"a": 9}) == 1


async def test_first_start_sets_the_schema(settings: Settings) -> None:
    """An empty Redis gets this code's schema, and a later start finds it."""
    lane = await Lane.open(settings.redis_url.reveal(), name="test")
    await verify(lane, settings)
    assert int(await lane.one("GET", keys.META_SCHEMA)) == schema.SCHEMA
    await verify(lane, settings)
    await lane.close()


async def test_newer_schema_is_refused(settings: Settings) -> None:
    """Records of a newer release are not served; the text says what is there, what would do, and what to run."""
    lane = await Lane.open(settings.redis_url.reveal(), name="test")
    await lane.one("SET", keys.META_SCHEMA, schema.SCHEMA + 1)
    with pytest.raises(Unfit, match=r"meta:schema is 2, must be at most 1: .* \(run that release, or a newer one\)"):
        await verify(lane, settings)
    await lane.close()
