"""DataTransfer from a station (OCPP 1.6 §4.3): kept and announced; no vendor's messages are implemented."""

from __future__ import annotations

from shared.ocpp.v16.enums import DataTransferStatus
from shared.ocpp.v16.messages import DataTransferRequest, DataTransferResponse
from workers.handlers.registry import handles
from workers.services import reports
from workers.store.draft import Draft


@handles(DataTransferRequest, once=True)
def data_transfer(draft: Draft, request: DataTransferRequest) -> DataTransferResponse:
    """Keep a vendor's message; the vendor is unknown, which the standard has a status for."""
    reports.vendor_data(draft, request.vendor_id, request.message_id or "", str(request.data or ""))
    return DataTransferResponse(status=DataTransferStatus.UNKNOWN_VENDOR_ID)
