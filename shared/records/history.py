"""Facts beside the current state: entries `h` of the stream `s:{id}:history`, bounded per station."""

from __future__ import annotations

from typing import Any

import msgspec


class Fact(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One fact; `kind` e.g. `status`, `boot`, `late_status`, `security_event`, `orphan_stop`, `sign_certificate`."""

    kind: str
    received_at: int
    reported_at: int = 0
    late: bool = False
    data: Any = None
