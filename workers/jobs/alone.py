"""A runner advances many things in a beat: what is wrong with one must not keep the others from theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hiredis
from structlog.typing import FilteringBoundLogger

from shared.bus.lane import LaneLost


@contextmanager
def alone(log: FilteringBoundLogger, text: str, **about: Any) -> Iterator[None]:
    """Log what one of many raises, and let the others go on; what Redis does to all goes on up."""
    try:
        yield
    except (LaneLost, hiredis.ReplyError):
        raise
    except Exception:
        log.exception(text, **about)
