"""The update that is under way at a station: what moves it on, and what ends it.

    requested ──accepted──> requested ──statuses──> downloading, downloaded, installing, rebooting, installed
        │ └──not sent──> put off              │ └──a status that says so, silence──> failed
        └──refused──> failed                  └──a boot that names the version──> updated

A station need not say anything on the way: the boot decides. A command whose fate nobody knows may have been carried
out: what follows tells. A boot with another version than the wanted one fails an update that was said to be installed;
before that it is only a boot (some do it to install).
"""

from __future__ import annotations

from typing import Final

import msgspec

from shared.records.commands import CommandRecord
from shared.records.configuration import Snapshot
from shared.records.firmware import (
    ORIGIN,
    AttemptOutcome,
    UpdateResult,
    UpdateStage,
    Updating,
    command_id,
    number_of,
)
from shared.records.models import Capabilities
from shared.records.requests import BeginUpdate, Request, StopUpdate
from workers.services import commands, configuration, quirks
from workers.services.configuration.words import WORDS
from workers.services.wakeups import wakes
from workers.store.draft import Draft
from workers.store.wants import WantSnapshot

from . import telling
from .dialect import Dialect, Order, dialect_of

TIMER: Final = "firmware_update"
TRIGGER: Final = "firmware"
"""Why the configuration is read after an update."""
STAGES: Final[dict[str, UpdateStage]] = {
    "DownloadScheduled": "requested",
    "DownloadPaused": "downloading",
    "Downloading": "downloading",
    "Downloaded": "downloaded",
    "SignatureVerified": "downloaded",
    "InstallScheduled": "downloaded",
    "Installing": "installing",
    "InstallRebooting": "rebooting",
    "Installed": "installed",
}
"""Status of a notification -> where the update is; the names of 1.6 and 2.x never mean different things."""
FAILURES: Final = frozenset({"DownloadFailed", "InstallationFailed", "InstallVerificationFailed", "InvalidSignature"})
_SAID_DONE: Final = ("installed", "rebooting")
change = msgspec.structs.replace


def serve(draft: Draft, request: Request) -> bool:
    """Serve what campaigns ask; False where a request is none of theirs."""
    if isinstance(request, BeginUpdate):
        begin(draft, request)
        return True
    if isinstance(request, StopUpdate):
        stop(draft, request)
        return True
    return False


def begin(draft: Draft, request: BeginUpdate) -> bool:
    """Begin a campaign's update; False where it was begun before, or is not, which is the campaign's result then."""
    update: Updating = draft.updating
    if update.campaign_id == request.campaign_id and update.turn >= request.turn:
        if update.result is not None and update.turn == request.turn:
            telling.report(draft, request.campaign_id, update.result)  # Asked again: the first result was lost.
        return False
    station = draft.station
    if station is None:
        return _not_begun(draft, request, "refused", "no such station")
    if update.is_under_way:
        return _not_begun(draft, request, "put_off", "another campaign's update is under way")
    if station.firmware == request.version:
        return _not_begun(draft, request, "current", "it has this version")
    if request.only_idle and draft.charging.open:
        return _not_begun(draft, request, "put_off", "a transaction runs")
    dialect = dialect_of(draft)
    if dialect is None:
        return _not_begun(draft, request, "refused", f"no updates for {draft.session.subprotocol or 'this station'}")
    signed, why = _way(draft, request, dialect)
    if why:
        return _not_begun(draft, request, "refused", why)
    draft.put(_made(draft, request, signed=signed))
    _send(draft, dialect, request.signature, request.signing_certificate)
    telling.announce(draft, "requested")
    return True


def _made(draft: Draft, request: BeginUpdate, *, signed: bool) -> Updating:
    command = command_id(request.campaign_id, draft.station_id, request.turn, draft.origin.received_at)
    return Updating(
        campaign_id=request.campaign_id,
        turn=request.turn,
        attempt=request.attempt,
        version=request.version,
        previous=draft.station.firmware if draft.station is not None else "",
        signed=signed,
        mode=request.mode,
        request_id=number_of(command),
        command_id=command,
        location=request.location,
        began_at=draft.now,
        moved_at=draft.now,
        retrieve_at=draft.now + request.retrieve_in_ms,
        expires_at=draft.now + request.expires_in_ms,
        stage_timeout_ms=request.stage_timeout_ms,
        boot_timeout_ms=request.boot_timeout_ms,
    )


def _not_begun(draft: Draft, request: BeginUpdate, outcome: AttemptOutcome, detail: str) -> bool:
    result = UpdateResult(
        outcome=outcome,
        turn=request.turn,
        attempt=request.attempt,
        at=draft.now,
        detail=detail,
    )
    telling.report(draft, request.campaign_id, result)
    return False


def _way(draft: Draft, request: BeginUpdate, dialect: Dialect) -> tuple[bool, str]:
    """Return whether the signed command is sent, and why none can be; by what is known of station and model."""
    signable = bool(request.signature and request.signing_certificate)
    if request.mode == "always" and not signable:
        return False, "the image has no signature"
    rule = quirks.quirks_of(draft.station).signed_firmware
    snapshot: Snapshot | None = draft.get(WantSnapshot())
    names = {name.lower() for name in snapshot.keys} if snapshot is not None else set()
    knows = rule == "yes" or (rule != "no" and not names.isdisjoint(dialect.signed_keys))
    if request.mode == "always" and snapshot is not None and not knows:
        return False, "it does not know signed firmware"
    if request.mode == "always" or (request.mode == "auto" and signable and knows):
        return True, ""
    profiles = _capabilities(draft, snapshot).profiles
    if profiles and dialect.plain_profile not in profiles:
        return False, f"its model has no {dialect.plain_profile}"
    return False, ""


def _capabilities(draft: Draft, snapshot: Snapshot | None) -> Capabilities:
    words, station = WORDS.get(draft.session.subprotocol), draft.station
    told = words.capabilities(snapshot.keys) if words is not None and snapshot is not None else Capabilities()
    if station is None:
        return told
    return quirks.overrides_of(station.vendor, station.model, station.firmware).of(told)


def _send(draft: Draft, dialect: Dialect, signature: str = "", certificate: str = "") -> None:
    update: Updating = draft.updating
    order = Order(
        location=update.location,
        retrieve_at=update.retrieve_at,
        request_id=update.request_id,
        signature=signature,
        signing_certificate=certificate,
    )
    action, payload = dialect.signed(order) if update.signed else dialect.plain(order)
    commands.enqueue(
        draft,
        action,
        payload,
        f"{ORIGIN}:{update.campaign_id}",
        expires_at=update.expires_at,
        command_id=update.command_id,
    )


@commands.when_ended(ORIGIN)
def command_ended(draft: Draft, command: CommandRecord) -> None:
    """Go on with what became of the command."""
    update: Updating = draft.updating
    if not update.is_under_way or command.command_id != update.command_id:
        return
    if command.state in ("accepted", "timed_out"):
        # Whether it was understood shows by what follows, where no answer came.
        wait_ms = max(update.retrieve_at - draft.now, 0) + update.stage_timeout_ms
        _move(draft, update.stage, update.status, wait_ms, quiet=True)
    elif command.state in ("expired", "cancelled"):
        telling.finish(draft, "put_off", "its command could not be sent")
    elif not _again_plain(draft, command):
        status = command.response.get("status") if isinstance(command.response, dict) else None
        telling.finish(draft, "failed", f"it answered {status}" if status else command.error or command.state)


def _again_plain(draft: Draft, command: CommandRecord) -> bool:
    """Send the plain command where a station turns out not to know the signed one, and the campaign allows that."""
    update, dialect = draft.updating, dialect_of(draft)
    if dialect is None or not update.signed or update.mode != "auto" or not command.error.startswith(dialect.unknown):
        return False
    number = command_id(update.command_id, draft.station_id, 0, draft.origin.received_at)
    draft.put(change(update, signed=False, command_id=number))
    _send(draft, dialect)
    return True


def progressed(draft: Draft, status: str, request_id: int | None = None) -> None:
    """Take in a status notification; one of another request is none of ours."""
    update: Updating = draft.updating
    if not update.is_under_way or (update.signed and request_id not in (None, update.request_id)):
        return
    if status in FAILURES:
        draft.put(change(update, status=status))
        telling.finish(draft, "failed", status)
        return
    stage = STAGES.get(status)
    if stage is None:
        return  # Idle, or nothing that we know: it tells nothing of what becomes of it.
    station = draft.station
    if stage == "installed" and station is not None and station.firmware == update.version:
        _succeed(draft)
        return
    _move(draft, stage, status, update.boot_timeout_ms if stage in _SAID_DONE else update.stage_timeout_ms)


def booted(draft: Draft, version: str) -> None:
    """Take in a boot: the only thing that makes an update a success."""
    update: Updating = draft.updating
    if not update.is_under_way or not version:
        return  # The version is optional in a boot (OCPP 1.6 §6.3): without it nothing is known.
    if version == update.version:
        _succeed(draft)
    elif update.stage in _SAID_DONE or version != update.previous:
        telling.finish(draft, "failed", f"it booted with {version}")


def _succeed(draft: Draft) -> None:
    telling.finish(draft, "updated")
    if draft.station is not None and draft.station.registration == "accepted":
        # New firmware often brings other keys and values: what differs is a drift.
        configuration.begin(draft, TRIGGER)


def _move(draft: Draft, stage: UpdateStage, status: str, wait_ms: int, *, quiet: bool = False) -> None:
    update: Updating = draft.updating
    due_at = draft.now + wait_ms
    draft.put(change(update, stage=stage, status=status, moved_at=draft.now, due_at=due_at))
    draft.wake(TIMER, f"{update.campaign_id}:{update.turn}", due_at)
    if not quiet and status != update.status:
        telling.announce(draft, stage, status)


@wakes(TIMER)
def woken(draft: Draft, subject: str) -> None:
    """End an attempt of which nothing was heard for too long."""
    update: Updating = draft.updating
    if not update.is_under_way or subject != f"{update.campaign_id}:{update.turn}" or not update.due_at:
        return
    if draft.now < update.due_at:
        draft.wake(TIMER, subject, update.due_at)
        return
    waited = "no boot with the version" if update.stage in _SAID_DONE else "nothing was heard"
    seconds = (update.due_at - update.moved_at) // 1000
    away = "" if draft.session.connection == "open" else "; it is offline"
    telling.finish(draft, "failed", f"{waited} for {seconds} s{away}")


def stop(draft: Draft, request: StopUpdate) -> bool:
    """Take back what was not sent; what was goes on, and ends as it ends."""
    update: Updating = draft.updating
    if not update.is_under_way or update.campaign_id != request.campaign_id:
        return False
    if all(queued.command_id != update.command_id for queued in draft.commands.queue):
        return False
    telling.finish(draft, "cancelled")
    commands.cancel(draft, update.command_id)
    return True


def given_up(draft: Draft, request: Request) -> None:
    """Tell a campaign that its request to this station could not be decided."""
    if isinstance(request, BeginUpdate):
        _not_begun(draft, request, "failed", "the request could not be decided")
