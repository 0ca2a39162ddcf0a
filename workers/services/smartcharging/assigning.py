"""Charging profiles on their way to a station, and what it makes of them.

    wanted ──accepted──> accepted ──composite schedule──> verified | differs
       ├──rejected, error──> refused
       └──no answer──> unconfirmed ──composite schedule──> verified | differs

"It accepted" is not "it obeys": after each change the station is asked for the schedule that it computes, which is held
against the one that its profiles make (OCPP 1.6 §5.7); what it then draws is looked at by `obeying`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.records.commands import CommandRecord
from shared.records.events import ProfileChanged
from shared.records.probes import Criteria
from shared.records.profiles import MAINS, Assigned, AssignedState, Limits, Profile, slot_of
from shared.records.requests import AssignProfile, ClearProfile
from shared.records.transactions import Transaction
from shared.smartcharging.comparing import excess
from shared.smartcharging.composite import SECOND_MS, Situation, compose
from workers.services import commands
from workers.services.refusals import Refused
from workers.store.draft import Draft

from . import taking
from .words import Message, Words, words_of

ORIGIN: Final = "profile"
CHECK: Final = "profile_check"
DIFFERS: Final = "schedule_differs"
"""Flag of a station whose composite schedule allows more than its profiles do."""
ASIDE: Final = "set aside while a probe runs"
CHECKED_S: Final = 3600
LONGEST_CHECK_S: Final = 24 * 3600
MAX_PROFILES: Final = 50
"""Of one station: more than any holds."""


def assign(draft: Draft, request: AssignProfile) -> Assigned:
    """Send a profile to a station: at once, or when it is back; what was in its place is replaced.

    Refused: 404 unknown station, 409 no transaction for a transaction's profile, or too many profiles.
    """
    if draft.station is None:
        raise Refused(404, "no such station")
    words = words_of(draft.session.subprotocol)
    if words is None:
        raise Refused(409, "charging profiles are not served for the station's version of OCPP")
    profile = _for_transaction(draft, request.profile)
    held = draft.limits.by_slot
    slot = slot_of(profile)
    before = held.get(slot)
    if before is None and len(held) >= MAX_PROFILES:
        raise Refused(409, f"the station has {MAX_PROFILES} profiles already: clear one")
    highest = max((one.profile.profile_id for one in held.values()), default=0)
    number = before.profile.profile_id if before else highest + 1
    profile = msgspec.structs.replace(profile, profile_id=number)
    if draft.probing.run is not None:
        waits = Assigned(
            profile=profile, name=request.name, version=request.version, since=draft.now, detail=ASIDE,
            converted=request.converted,
        )  # fmt: skip
        _put(draft, slot, waits)
        return waits
    if before is not None and before.command_id:
        commands.cancel(draft, before.command_id)
    command_id = commands.enqueue(draft, *words.install(profile), ORIGIN)
    assigned = Assigned(
        profile=profile,
        name=request.name,
        version=request.version,
        since=draft.now,
        command_id=command_id,
        verify=request.verify,
        converted=request.converted,
    )
    _put(draft, slot, assigned)
    _announce(draft, assigned)
    return draft.limits.by_slot.get(slot, assigned)


def clear(draft: Draft, request: ClearProfile) -> dict[str, Any]:
    """Take a profile off a station; 404 where it has none of this id."""
    held = draft.limits.by_slot.items()
    found = next(((slot, one) for slot, one in held if one.profile.profile_id == request.profile_id), None)
    words = words_of(draft.session.subprotocol)
    if found is None or words is None:
        raise Refused(404, "the station has no such profile")
    slot, assigned = found
    if draft.probing.run is not None and not assigned.command_id:
        _drop(draft, slot)  # It is not on the station while a probe runs.
        return {"profile_id": request.profile_id}
    if assigned.command_id:
        commands.cancel(draft, assigned.command_id)
    if not assigned.installed and draft.limits.by_slot.get(slot) is not assigned:
        return {"profile_id": request.profile_id}  # It had not been sent: cancelling it was all.
    command_id = commands.enqueue(draft, *_clearing(draft, words, assigned.profile), ORIGIN)
    _put(draft, slot, msgspec.structs.replace(assigned, clearing=True, command_id=command_id))
    return {"profile_id": request.profile_id}


def transaction_over(draft: Draft, transaction: Transaction) -> None:
    """Forget the transaction's own profiles: they cease with it (§3.13.1)."""
    for slot, one in list(draft.limits.by_slot.items()):
        if one.profile.purpose == "transaction" and one.profile.connector_id == transaction.connector_id:
            _drop(draft, slot)


# ── while a probe runs ───────────────────────────────────────────────────────────────────────────────────────────────


def set_aside(draft: Draft) -> None:
    """Take note that a probe takes every profile off the station; they are wanted, and put back in the end."""
    for slot, one in list(draft.limits.by_slot.items()):
        if one.installed:
            kept = msgspec.structs.replace(one, command_id="", check_id="", clearing=False, over_since=0)
            _become(draft, slot, kept, "wanted", ASIDE)


def waiting(draft: Draft) -> str:
    """Return the place of a wanted profile that nobody has sent; empty where there is none."""
    found = draft.limits.by_slot.items()
    return next((slot for slot, one in found if one.state == "wanted" and not one.command_id), "")


def sent_again(draft: Draft, slot: str, command_id: str) -> None:
    """Note by which command a wanted profile goes out; empty: it waits again."""
    assigned = draft.limits.by_slot.get(slot)
    if assigned is not None:
        _put(draft, slot, msgspec.structs.replace(assigned, command_id=command_id))


# ── what the station answers ─────────────────────────────────────────────────────────────────────────────────────────


@commands.when_ended(ORIGIN)
def ended(draft: Draft, command: CommandRecord) -> None:
    """Take in what the station answered to a profile that was set or cleared."""
    found = next(
        ((slot, one) for slot, one in draft.limits.by_slot.items() if one.command_id == command.command_id), None
    )
    if found is None:
        return
    slot, assigned = found
    assigned = msgspec.structs.replace(assigned, command_id="")
    if assigned.clearing:
        _cleared(draft, slot, assigned, command)
    elif command.state == "accepted":
        _become(draft, slot, msgspec.structs.replace(assigned, accepted_at=draft.now), "accepted")
        if assigned.verify:
            _check(draft, slot)
    elif command.state == "timed_out":
        _become(draft, slot, assigned, "unconfirmed", command.error)
        _check(draft, slot)
    elif command.state == "cancelled" and not command.error:
        _drop(draft, slot)
    else:
        _become(draft, slot, assigned, "refused", _reason(command))


def _cleared(draft: Draft, slot: str, assigned: Assigned, command: CommandRecord) -> None:
    answer = command.response if isinstance(command.response, dict) else {}
    if command.state == "accepted" or answer.get("status") == "Unknown":  # It has none: that is what was wanted.
        _drop(draft, slot)
        if taking.clearing(draft.station) == "all":
            _set_again(draft)
        return
    detail = f"not cleared: {_reason(command)}"
    _put(draft, slot, msgspec.structs.replace(assigned, clearing=False, detail=detail))


def _clearing(draft: Draft, words: Words, profile: Profile) -> Message:
    """Return what takes a profile off this model (quirk 25)."""
    way = taking.clearing(draft.station)
    if way == "id":
        return words.clear(profile)
    if way == "all":
        return words.clear_where(Criteria())
    place = Criteria(connector_id=profile.connector_id, purpose=profile.purpose, stack_level=profile.stack_level)
    return words.clear_where(place)


def _set_again(draft: Draft) -> None:
    """Send every profile again that is wanted: the station clears all of them or none."""
    words = words_of(draft.session.subprotocol)
    for slot, one in list(draft.limits.by_slot.items()):
        if words is None or not one.installed or one.command_id:
            continue
        command_id = commands.enqueue(draft, *words.install(one.profile), ORIGIN)
        again = msgspec.structs.replace(one, command_id=command_id, check_id="", over_since=0)
        _become(draft, slot, again, "wanted", "set again: the station clears all profiles at once")


@commands.when_ended(CHECK)
def checked(draft: Draft, command: CommandRecord) -> None:
    """Hold the station's composite schedule against the one that its profiles make."""
    found = next(
        ((slot, one) for slot, one in draft.limits.by_slot.items() if one.check_id == command.command_id), None
    )
    words = words_of(draft.session.subprotocol)
    if found is None or words is None:
        return
    slot, assigned = found
    assigned = msgspec.structs.replace(assigned, check_id="")
    reported = words.read(command.response) if command.state == "accepted" else None
    if reported is None:
        detail = f"not verified: {_reason(command) if command.state != 'accepted' else 'it gives no schedule'}"
        _put(draft, slot, msgspec.structs.replace(assigned, detail=detail))
        return
    installed = [one.profile for one in draft.limits.by_slot.values() if one.installed and not one.clearing]
    start = draft.now if reported.start_at is None else reported.start_at
    connector = _connector(draft, assigned.profile)
    transaction = next((one for one in draft.charging.open.values() if one.connector_id == connector), None)
    situation = Situation(
        connector_id=connector,
        since=start,
        until=start + (reported.duration_s or CHECKED_S) * SECOND_MS,
        unit=reported.unit,
        transaction_id=transaction.transaction_id if transaction else 0,
        charging_since=transaction.started_at if transaction else None,
        supply=MAINS,
    )
    wrong = excess(compose(installed, situation), reported, draft.now)
    if wrong:
        draft.flag(DIFFERS)
    _become(draft, slot, assigned, "differs" if wrong else "verified", wrong)


def _for_transaction(draft: Draft, profile: Profile) -> Profile:
    """Return a transaction's profile with the id of the one that runs on its connector (§5.16.3)."""
    if profile.purpose != "transaction":
        return profile
    running = [one for one in draft.charging.open.values() if one.connector_id == profile.connector_id]
    if not running or profile.transaction_id not in (0, *(one.transaction_id for one in running)):
        raise Refused(409, f"no such transaction runs on connector {profile.connector_id}")
    return msgspec.structs.replace(profile, transaction_id=profile.transaction_id or running[-1].transaction_id)


def _check(draft: Draft, slot: str) -> None:
    """Ask for the composite schedule, for as long as it takes to see the profile at work."""
    words = words_of(draft.session.subprotocol)
    assigned = draft.limits.by_slot[slot]
    if words is None:
        return
    profile = assigned.profile
    begins = max(profile.start_at or 0, profile.valid_from or 0, draft.now)
    seconds = min((begins - draft.now) // SECOND_MS + CHECKED_S, LONGEST_CHECK_S)
    message = words.ask(_connector(draft, profile), seconds, profile.unit)
    expires_at = draft.now + 2 * draft.policy.command_timeout_ms
    check_id = commands.enqueue(draft, *message, CHECK, expires_at=expires_at)
    _put(draft, slot, msgspec.structs.replace(draft.limits.by_slot[slot], check_id=check_id))


def _connector(draft: Draft, profile: Profile) -> int:
    """Return the connector to look at: the profile's own, or for all of them one that charges."""
    charging = [one.connector_id for one in draft.charging.open.values() if one.connector_id]
    return profile.connector_id or (min(charging) if charging else 1)


def _become(draft: Draft, slot: str, assigned: Assigned, state: AssignedState, detail: str = "") -> None:
    changed = msgspec.structs.replace(assigned, state=state, since=draft.now, detail=detail[:500])
    _put(draft, slot, changed)
    _announce(draft, changed)


def _announce(draft: Draft, assigned: Assigned) -> None:
    profile = assigned.profile
    draft.count("charging_profiles_total", profile.purpose, assigned.state)
    draft.emit(
        ProfileChanged(
            station_id=draft.station_id,
            at=draft.now,
            profile_id=profile.profile_id,
            connector_id=profile.connector_id,
            purpose=profile.purpose,
            name=assigned.name,
            state=assigned.state,
            detail=assigned.detail,
        )
    )


def _reason(command: CommandRecord) -> str:
    answer = command.response if isinstance(command.response, dict) else {}
    return command.error or str(answer.get("status", "")) or command.state


def _put(draft: Draft, slot: str, assigned: Assigned) -> None:
    draft.put(Limits({**draft.limits.by_slot, slot: assigned}))


def _drop(draft: Draft, slot: str) -> None:
    draft.put(Limits({key: one for key, one in draft.limits.by_slot.items() if key != slot}))
