"""The fault of F26: a payload that ends the worker's process while its handler runs, as a crash in C code would."""

from __future__ import annotations

import os
import signal
from typing import Any

import msgspec

from shared.ocpp.messages import Response
from shared.ocpp.v16.messages import DataTransferRequest, StartTransactionRequest
from workers.handlers import registry, v16
from workers.handlers.registry import Handler
from workers.store.draft import Draft

POISON = "POISON"
"""As `vendorId` of a DataTransfer, or beginning an `idTag`."""


def apply() -> None:
    """Wrap both handlers."""
    assert v16.__doc__
    for request in (DataTransferRequest, StartTransactionRequest):
        handler = registry.HANDLERS[request]
        registry.HANDLERS[request] = msgspec.structs.replace(handler, run=_deadly(handler))


def _deadly(handler: Handler) -> registry.Run:
    def run(draft: Draft, request: Any) -> Response:
        name = getattr(request, "vendor_id", "") or getattr(request, "id_tag", "")
        if name.startswith(POISON):
            os.kill(os.getpid(), signal.SIGKILL)
        return handler.run(draft, request)

    return run
