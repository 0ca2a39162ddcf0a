"""A defect of ours: a payload whose handler raises, whoever handles it and however often."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.ocpp.messages import Response
from shared.ocpp.v16.messages import DataTransferRequest
from workers.handlers import registry, v16
from workers.store.draft import Draft

DEFECT = "DEFECT"
"""As `vendorId` of a DataTransfer."""


def apply() -> None:
    """Wrap the handler."""
    assert v16.__doc__
    handler = registry.HANDLERS[DataTransferRequest]

    def run(draft: Draft, request: Any) -> Response:
        if request.vendor_id == DEFECT:
            raise ZeroDivisionError("the defect that the test put in")
        return handler.run(draft, request)

    registry.HANDLERS[DataTransferRequest] = msgspec.structs.replace(handler, run=run)
