"""What operators ask of a station's commit: each request gets one `Reply`, an HTTP status and a JSON body.

A redelivered request gets the reply that it had. Errors are problem documents (RFC 9457). The replay of a quarantined
frame needs handlers and lives in `workers.dispatch.replay`.
"""

from __future__ import annotations

import http
from collections.abc import Callable
from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.envelopes import Reply
from shared.records.commands import CommandRecord
from shared.records.history import Fact
from shared.records.packing import pack, unpack
from shared.records.requests import (
    AbortProbe,
    AcknowledgeDrift,
    ApplyTemplates,
    AssignProfile,
    CancelCommand,
    ClearProfile,
    CloseTransaction,
    CreateStation,
    DeleteStation,
    Disconnect,
    DropQuarantined,
    LeaveJob,
    PlanTransaction,
    ReadConfiguration,
    RenewCertificate,
    Request,
    RotateKey,
    SendCommand,
    StartProbe,
    SyncLocalList,
    UpdateStation,
)
from workers.store.draft import Draft
from workers.store.wants import WantCommand, WantQuarantined

from . import (
    bulk,
    certificates,
    closing,
    commands,
    credentials,
    duplicates,
    firmware,
    flags,
    local_lists,
    provisioning,
    quarantine,
)
from .configuration import asked
from .probing import asking as probing
from .refusals import Refused
from .smartcharging import assigning, for_sites, planning
from .tuning import asking

_PROBLEMS: Final = {404: "not_found", 409: "conflict", 422: "refused", 500: "internal"}
_encode_json = msgspec.json.Encoder().encode
body = _encode_json
"""Encode a reply's body."""


def serve(draft: Draft, request: Request) -> None:
    """Decide a request and deliver its reply to the node that asked."""
    if bulk.wanted_by(request):
        if _FOR_JOBS[type(request)](draft, request):
            _note(draft, request)
        return
    if for_sites.serve(draft, request) or firmware.serve(draft, request) or certificates.serve(draft, request):
        return
    if repeated(draft, request):
        return
    status, server = _SERVERS[type(request)]
    try:
        found = server(draft, request)
    except Refused as refused:  # Raised before anything is changed.
        reply(draft, request, refused.status, problem(refused.status, refused.detail))
        return
    _note(draft, request)
    reply(draft, request, status, b"" if found is None else body(found))


def repeated(draft: Draft, request: Request) -> bool:
    """Give the reply again that a redelivered request had; False where it is new."""
    kept = duplicates.kept(draft, duplicates.request_digest(request.request_id))
    if kept is None:
        return False
    status, text = unpack(kept, tuple[int, bytes])
    draft.deliver(draft.origin.node, Reply(request.request_id, status, text))
    return True


def reply(draft: Draft, request: Request, status: int, text: bytes) -> None:
    """Deliver the request's reply and keep it for a redelivery."""
    draft.deliver(draft.origin.node, Reply(request.request_id, status, text))
    if draft.changed or draft.writes:
        duplicates.keep_reply(draft, duplicates.request_digest(request.request_id), pack((status, text)))


def problem(status: int, detail: str) -> bytes:
    """Return a problem document."""
    kind = _PROBLEMS[status]
    title = http.HTTPStatus(status).phrase
    return body({"type": f"urn:ampstream:problem:{kind}", "title": title, "status": status, "detail": detail})


# ── commands and quarantine ──────────────────────────────────────────────────────────────────────────────────────────


def _send_command(draft: Draft, request: SendCommand) -> CommandRecord | None:
    if draft.station is None:
        raise Refused(404, "no such station")
    if request.command_id and commands.record_of(draft, request.command_id) is not None:
        raise Refused(409, "a command has this id already")
    if len(draft.commands.queue) >= commands.MAX_QUEUE:
        raise Refused(409, f"{commands.MAX_QUEUE} commands wait for this station already")
    command_id = commands.enqueue(
        draft,
        request.action,
        request.payload,
        commands.OPERATOR,
        expires_at=draft.now + request.expires_in_ms if request.expires_in_ms else 0,
        command_id=request.command_id,
    )
    return commands.record_of(draft, command_id)


def _cancel_command(draft: Draft, request: CancelCommand) -> CommandRecord:
    cancelled = commands.cancel(draft, request.command_id)
    if cancelled is not None:
        return cancelled
    if draft.get(WantCommand(request.command_id)) is None:
        raise Refused(404, "no such command")
    raise Refused(409, "the command was sent, or has ended")


def _close_transaction(draft: Draft, request: CloseTransaction) -> dict[str, Any]:
    transaction = draft.charging.open.get(request.transaction_id)
    if transaction is None:
        raise Refused(409, "the transaction is not open")
    closing.assume_over(draft, transaction, closing.BY_OPERATOR, flags.ESTIMATED, "closed by an operator")
    return {"transaction_id": request.transaction_id}


def _drop(draft: Draft, request: DropQuarantined) -> None:
    if draft.get(WantQuarantined(request.quarantine_id)) is None:
        raise Refused(404, "no such quarantined frame")
    quarantine.remove(draft, request.quarantine_id)


def _note(draft: Draft, request: Request) -> None:
    """Keep who asked for what in the station's history."""
    if draft.station is None:
        return
    data = {"request": request.__struct_config__.tag, "request_id": request.request_id, "by": request.by}
    fact = Fact(kind="request", received_at=draft.origin.received_at, data=data)
    draft.remember(fact, keys.history(draft.station_id), draft.policy.history_entries_per_station)


_SERVERS: Final[dict[type[Request], tuple[int, Callable[[Draft, Any], Any]]]] = {
    CreateStation: (201, provisioning.create),
    UpdateStation: (200, provisioning.update),
    DeleteStation: (200, provisioning.delete),
    Disconnect: (202, provisioning.disconnect),
    SendCommand: (202, _send_command),
    ApplyTemplates: (202, asking.apply),
    CloseTransaction: (200, _close_transaction),
    CancelCommand: (200, _cancel_command),
    AssignProfile: (202, assigning.assign),
    ClearProfile: (202, assigning.clear),
    DropQuarantined: (200, _drop),
    PlanTransaction: (200, planning.plan),
    ReadConfiguration: (202, asked.read),
    AcknowledgeDrift: (200, asked.acknowledge),
    RotateKey: (202, credentials.rotate),
    RenewCertificate: (202, certificates.renew),
    SyncLocalList: (202, local_lists.sync),
    StartProbe: (202, probing.start),
    AbortProbe: (202, probing.abort),
}
"""Request -> status of the reply where it succeeds, and who serves it."""
_FOR_JOBS: Final[dict[type[Request], Callable[[Draft, Any], bool]]] = {
    SendCommand: bulk.begin,
    ReadConfiguration: asked.join,
    ApplyTemplates: asking.join,
    StartProbe: probing.join,
    SyncLocalList: local_lists.join,
    RotateKey: credentials.join,
    LeaveJob: lambda draft, request: (
        probing.leave(draft, request.job)
        or credentials.leave(draft, request)
        or local_lists.leave(draft, request)
        or asked.leave(draft, request)
    ),
}
"""What a job asks -> who serves it, and tells whether anything came of it. Nobody waits for a reply."""
