"""Garbage collection for processes that serve: less often, and never over what start-up left.

A batch makes thousands of short-lived objects without cycles; reference counts free them. With Python's default
thresholds the collector looks at them again and again (docs/adr/0004).
"""

import gc
from typing import Final

YOUNG: Final = 50_000
"""New container objects before a look at the youngest."""


def settle() -> None:
    """Take start-up's objects out of the collector's sight and let it look less often; call once, before serving."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
