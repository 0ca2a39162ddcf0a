"""Sets this process's clock ten minutes fast; Redis's is right."""

from __future__ import annotations

import time

SHIFT_S = 600


def apply(shift_s: int = SHIFT_S) -> None:
    """Shift what `time.time` and `time.time_ns` say; what measures spans is right."""
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + shift_s
    time.time_ns = lambda: right_ns() + shift_s * 1_000_000_000
