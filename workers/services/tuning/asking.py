"""What operators ask for, of one station or as a job over many: a station brought in line at once."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.records.requests import ApplyTemplates
from shared.records.tuning import ALL, Tuned
from workers.services import configuration
from workers.services.configuration import asked
from workers.services.refusals import Refused
from workers.store.draft import Draft

change = msgspec.structs.replace


def apply(draft: Draft, request: ApplyTemplates) -> dict[str, Any]:
    """Read the station's configuration now, or when it is back, and set what differs.

    404 where the station is unknown; 409 where its configuration can't be read. `retry` forgets what it refused and
    that it kept going back: all of it is tried again.
    """
    if draft.station is None:
        raise Refused(404, "no such station")
    if request.retry:
        _forget(draft)
    if why := configuration.begin(draft, configuration.OPERATOR):
        raise Refused(409, f"the configuration can't be read: {why}")
    overall = draft.tuned.templates.get(ALL)
    return {"station_id": draft.station_id, "state": overall.state if overall is not None else None}


def join(draft: Draft, request: ApplyTemplates) -> bool:
    """Do the same for a job; False where that was asked before, or is refused, which is the job's result then."""
    begun = asked.join(draft, request, "apply_templates")
    if begun and request.retry:
        _forget(draft)
    return begun


def _forget(draft: Draft) -> None:
    """Forget what the station refused and kept going back on."""
    tuned: Tuned = draft.tuned
    left = {name: one for name, one in tuned.keys.items() if one.state not in ("refused", "reverting")}
    draft.put(change(tuned, keys=left, retry=True))
