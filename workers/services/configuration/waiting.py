"""Jobs over many stations that wait for this one's configuration: told how it ended, in the decision that ends it."""

from __future__ import annotations

import msgspec

from shared.records.jobs import JobKind, Outcome
from workers.services import bulk
from workers.store.draft import Draft


def tell(draft: Draft, outcome: Outcome, detail: str = "", *, kind: JobKind | None = None, job: str = "") -> None:
    """Tell the jobs that wait, those of one kind, or one of them, how it ended; they wait no more."""
    configured = draft.configured
    told = [name for name, wanted in configured.jobs.items() if job in ("", name) and kind in (None, wanted)]
    if not told:
        return
    left = {name: wanted for name, wanted in configured.jobs.items() if name not in told}
    draft.put(msgspec.structs.replace(configured, jobs=left))
    for name in told:
        bulk.report(draft, name, outcome, detail=detail)
