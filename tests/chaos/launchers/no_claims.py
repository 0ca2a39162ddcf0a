"""Takes XAUTOCLAIM out: what a dead worker held stays where it is."""

from __future__ import annotations

from workers.consumer.partition import PartitionConsumer


async def _nothing(self: PartitionConsumer) -> None:
    return None


def apply() -> None:
    """Let no worker look for entries of others."""
    assert callable(PartitionConsumer._claim)
    PartitionConsumer._claim = _nothing  # type: ignore[method-assign]
