"""What operators ask for: a station brought in line at once."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.records.requests import ApplyTemplates
from shared.records.tuning import ALL, Tuned
from workers.services import configuration
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
        tuned: Tuned = draft.tuned
        left = {name: one for name, one in tuned.keys.items() if one.state not in ("refused", "reverting")}
        draft.put(change(tuned, keys=left))
    if why := configuration.begin(draft, configuration.OPERATOR):
        raise Refused(409, f"the configuration can't be read: {why}")
    overall = draft.tuned.templates.get(ALL)
    return {"station_id": draft.station_id, "state": overall.state if overall is not None else None}
