"""What a transaction is to be given by when, as an operator says: its site's allocator goes by it."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.records.requests import PlanTransaction
from shared.records.transactions import Plan
from workers.services.refusals import Refused
from workers.store.draft import Draft


def plan(draft: Draft, request: PlanTransaction) -> dict[str, Any]:
    """Note it with the transaction; 409 where that is not open."""
    number = request.transaction_id
    transaction = draft.charging.open.get(number)
    if transaction is None:
        raise Refused(409, "the transaction is not open")
    wanted = Plan(energy_wh=request.energy_wh, departs_at=request.departs_at, priority=request.priority)
    changed = msgspec.structs.replace(transaction, plan=None if wanted == Plan() else wanted)
    draft.put(msgspec.structs.replace(draft.charging, open={**draft.charging.open, number: changed}))
    return {"transaction_id": number}
