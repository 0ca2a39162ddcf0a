"""What operators ask: a probe of a station, now or as a job; and its abort."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.records.commands import make_id
from shared.records.configuration import Snapshot
from shared.records.probes import Bench, Run
from shared.records.requests import AbortProbe, StartProbe
from shared.records.transactions import Transaction
from shared.smartcharging.composite import SECOND_MS
from shared.smartcharging.limits import limits_of
from shared.smartcharging.site_profiles import site_of
from workers.services import bulk, duplicates
from workers.services.refusals import Refused
from workers.services.smartcharging import assigning
from workers.services.smartcharging.words import words_of
from workers.store.draft import Draft
from workers.store.wants import WantSnapshot

from . import battery, running

change = msgspec.structs.replace
SETTLE_MS: Final = 30_000
"""How long after a limit the current is looked at, unless told otherwise: cars take their time."""


def start(draft: Draft, request: StartProbe) -> dict[str, Any]:
    """Begin a probe of a station that is there, idle, and on whose way nothing is.

    404 where the station is unknown; 409 where it is away, charges, is probed already, or its version has no profiles.
    """
    _refuse(draft, request)
    transaction = _compared(draft, request)
    snapshot: Snapshot | None = draft.get(WantSnapshot())
    told = limits_of(snapshot)
    run = Run(
        probe_id=make_id(draft.now, f"probe:{request.request_id}"),
        began_at=draft.now,
        bench=Bench(
            base_ms=draft.now // SECOND_MS * SECOND_MS,
            connector_id=transaction.connector_id if transaction else request.connector_id,
            transaction_id=transaction.transaction_id if transaction else 0,
            charging_since=transaction.started_at if transaction else 0,
            max_stack_level=told.max_stack_level,
            units=tuple(sorted(told.units or ())),
            max_periods=told.max_periods,
            max_installed=told.max_installed,
        ),
        battery=battery.BATTERY,
        epoch=draft.session.epoch,
        by=request.by,
        job=request.job,
        forced=request.force,
        settle_ms=request.settle_ms or SETTLE_MS,
    )
    assigning.set_aside(draft)
    running.put(draft, run)
    running.announce(draft, run, "probing")
    draft.wake(running.TIMER, running.DEADLINE, draft.now + running.LONGEST_MS)
    running.go_on(draft)
    return {"probe_id": run.probe_id}


def join(draft: Draft, request: StartProbe) -> bool:
    """Begin a probe for a job; False where that was asked before, or is refused, which is the job's result then."""
    name = duplicates.request_digest(request.request_id)
    if duplicates.kept(draft, name) is not None:
        return False
    try:
        start(draft, request)
    except Refused as refused:
        bulk.report(draft, request.job, "refused", detail=refused.detail)
        return False
    duplicates.keep_reply(draft, name, b"")
    return True


def abort(draft: Draft, request: AbortProbe) -> dict[str, Any]:
    """End a probe: nothing more is tried, and the station is restored. 404 where none runs."""
    run = draft.probing.run
    if run is None:
        raise Refused(404, "no probe runs on the station")
    if not running.abort(draft, f"aborted by {request.by or 'an operator'}"):
        raise Refused(409, "the station is being restored already")
    return {"probe_id": run.probe_id}


def leave(draft: Draft, job: str) -> bool:
    """End a job's probe; False where the station has none."""
    run = draft.probing.run
    return run is not None and run.job == job and running.abort(draft, "aborted: its job was cancelled")


def _refuse(draft: Draft, request: StartProbe) -> None:
    if draft.station is None:
        raise Refused(404, "no such station")
    if draft.probing.run is not None:
        raise Refused(409, "a probe runs on the station already")
    if draft.session.connection != "open":
        raise Refused(409, "the station is not connected: a probe needs its answers")
    if words_of(draft.session.subprotocol) is None:
        raise Refused(409, "charging profiles are not served for the station's version of OCPP")
    if any(one.command_id for one in draft.limits.by_slot.values()):
        raise Refused(409, "a charging profile is on its way to the station: try again when it has answered")
    site = next((name for one in draft.limits.by_slot.values() if (name := site_of(one))), "")
    if site and not request.force:
        raise Refused(409, f"site {site!r} manages the station: take it out of the site, or say `force_test`")
    if draft.charging.open and not (request.force or request.with_transaction):
        number = next(iter(draft.charging.open))
        why = f"transaction {number} runs on the station, and a probe changes its limits"
        raise Refused(409, f"{why}: wait for its end, or say `force_test`, or `with_transaction` where it is a test")


def _compared(draft: Draft, request: StartProbe) -> Transaction | None:
    """Return the transaction whose current is compared, where that is wanted."""
    if not request.with_transaction:
        return None
    running_now = list(draft.charging.open.values())
    if not running_now:
        raise Refused(409, "no transaction runs on the station: start one for the test, or leave `with_transaction`")
    if len(running_now) > 1 and not request.force:
        raise Refused(409, f"{len(running_now)} transactions run on the station, and one is to be a test")
    return running_now[0]
