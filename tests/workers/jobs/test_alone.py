"""What is wrong with one of many, and what is wrong for all."""

import hiredis
import pytest
from structlog.testing import capture_logs

from shared.bus.lane import LaneLost
from shared.logs import get_logger
from workers.jobs.alone import alone


def test_a_defect_in_one_leaves_the_others_theirs() -> None:
    """It is logged with what it is about, and nobody else hears of it."""
    done = []
    with capture_logs() as lines:
        for number in (1, 2, 3):
            with alone(get_logger("test"), "failed", number=number):
                done.append(10 // (number - 2))
    assert done == [-10, 10]
    assert [(line["event"], line["number"]) for line in lines] == [("failed", 2)]


@pytest.mark.parametrize("error", [LaneLost("gone"), hiredis.ReplyError("OOM")])
def test_what_redis_does_is_everybodys(error: Exception) -> None:
    """A lost connection, or a refusal, ends the beat."""
    with pytest.raises(type(error)), alone(get_logger("test"), "failed"):
        raise error
