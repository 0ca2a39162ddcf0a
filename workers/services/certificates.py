"""A station's certificates: asked for, made by the authority, brought to it, used, renewed (white paper, A02).

    the station's SignCertificate ──> pending ──the authority signed──> sent ──> accepted ──dialled in with──> used
         ^                              └──it did not──> the problem is kept, and told
         └── asked by ExtendedTriggerMessage: when an operator wants, and before the present certificate ends

Signing is no decision's business: it is done beside them (`workers.jobs.signing`), and comes back as a request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.records.certificates import (
    ORIGIN,
    Certificate,
    CertificateState,
    Root,
    SigningRequest,
    index_member,
)
from shared.records.commands import CommandRecord, make_id
from shared.records.events import CertificateChanged, CertificateRequested
from shared.records.packing import pack
from shared.records.requests import IssueCertificate, RenewCertificate, Request
from workers.store.draft import Draft

from . import commands, reports
from .refusals import Refused
from .wakeups import wakes

RENEWAL_TIMER: Final = "certificate_renewal"
DELIVERY_TIMER: Final = "certificate_delivery"
ASK_AGAIN_MS: Final = 24 * 3600 * 1000
"""A station that was asked for a request and brought none is asked again after so long."""
SEND_AGAIN_MS: Final = 60_000
MAX_SENT: Final = 5
MAX_ROOTS: Final = 64
UNPROVEN: Final = "its connection proves nothing, so a certificate would be anybody's; give it a key first"


class Words(msgspec.Struct, frozen=True):
    """How a version brings a certificate, and asks for a request: action and payload."""

    signed: Callable[[str], tuple[str, dict[str, Any]]]
    trigger: Callable[[], tuple[str, dict[str, Any]]]


WORDS: Final[dict[str, Words]] = {}
"""Subprotocol -> words; handlers fill it."""


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def requested(draft: Draft, csr: str) -> bool:
    """Take in a signing request; False where nobody signs, or it is not what may be signed."""
    problem = _problem(draft, csr)
    reports.signing_request(draft, csr)
    draft.emit(CertificateRequested(station_id=draft.station_id, at=draft.origin.received_at, problem=problem))
    if problem:
        reports.noticed(draft, "CertificateRefused", problem)
        draft.count("certificate_requests_total", "refused")
        _change(draft, problem=problem)
        return False
    _drop_pending(draft)
    request = SigningRequest(
        station_id=draft.station_id,
        request_id=make_id(draft.origin.received_at, f"{draft.station_id}:{draft.origin.entry_id}:csr"),
        csr=csr,
        common_name=_name(draft),
        organisation=draft.policy.operator_name,
        asked_at=draft.origin.received_at,
    )
    _change(draft, pending=request, problem="")
    draft.effect("HSET", keys.CERTIFICATE_REQUESTS, request.member, pack(request))
    return True


def _problem(draft: Draft, csr: str) -> str:
    if not draft.policy.signs_certificates:
        return "nobody signs certificates here"
    if not draft.session.security_profile:
        return UNPROVEN
    # `cryptography` is for those stations alone that ask.
    from shared.certificates.errors import CertificateError
    from shared.certificates.requests import check

    try:
        check(csr, _name(draft), draft.policy.operator_name)
    except CertificateError as error:
        return str(error)
    return ""


def _name(draft: Draft) -> str:
    station = draft.station
    return (station.certificate_name if station is not None else "") or draft.station_id


def renew(draft: Draft, _request: RenewCertificate) -> dict[str, Any]:
    """Ask the station for a signing request; 404 where it is unknown, 409 where nothing would be signed."""
    if draft.station is None:
        raise Refused(404, "no such station")
    if not draft.policy.signs_certificates:
        raise Refused(409, "nobody signs certificates here: see AMPSTREAM_CERTIFICATE_AUTHORITY")
    if _words(draft) is None:
        raise Refused(409, "stations of this version can't be asked for a certificate")
    if not draft.session.security_profile:
        raise Refused(409, UNPROVEN)
    return {"station_id": draft.station_id, "command_id": _ask(draft)}


def _ask(draft: Draft) -> str:
    words = _words(draft)
    assert words is not None, "it was looked at"
    _change(draft, renewal_asked_at=draft.now)
    return commands.enqueue(draft, *words.trigger(), ORIGIN, expires_at=draft.now + ASK_AGAIN_MS)


def _words(draft: Draft) -> Words | None:
    return WORDS.get(draft.session.subprotocol)


# ── what the authority made ──────────────────────────────────────────────────────────────────────────────────────────


def serve(draft: Draft, request: Request) -> bool:
    """Take in what the authority made; False for any other request. Nobody waits for a reply."""
    if not isinstance(request, IssueCertificate):
        return False
    if draft.station is not None:
        issued(draft, request)
    else:
        draft.effect("HDEL", keys.CERTIFICATE_REQUESTS, f"{draft.station_id}/{request.signing_id}")
    return True


def issued(draft: Draft, request: IssueCertificate) -> None:
    """Bring the station its certificate; what was made for an older request, or twice, is dropped."""
    pending = draft.certificates.pending
    if pending is None or pending.request_id != request.signing_id:
        member = f"{draft.station_id}/{request.signing_id}"
        draft.effect("HDEL", keys.CERTIFICATE_REQUESTS, member)
        return
    _drop_pending(draft)
    if request.problem:
        draft.count("certificate_requests_total", "failed")
        _change(draft, pending=None, problem=request.problem[:500])
        _announce(draft, "failed", None, request.problem[:500])
        return
    draft.count("certificate_requests_total", "signed")
    made = Certificate(
        id=request.certificate_id,
        not_after=request.not_after,
        state="sent",
        changed_at=draft.now,
        subject=request.subject,
        chain=request.chain,
    )
    _change(draft, pending=None, made=made, problem="")
    _send(draft)


def _drop_pending(draft: Draft) -> None:
    pending = draft.certificates.pending
    if pending is not None:
        draft.effect("HDEL", keys.CERTIFICATE_REQUESTS, pending.member)


def _send(draft: Draft) -> None:
    made, words = draft.certificates.made, _words(draft)
    if made is None or words is None:
        return
    command_id = commands.enqueue(draft, *words.signed(made.chain), ORIGIN)
    _put_made(draft, "sent", command_id=command_id, sent=made.sent + 1)


@commands.when_ended(ORIGIN)
def ended(draft: Draft, command: CommandRecord) -> None:
    """Take in what the station says to its certificate; silence is no answer, and the same may be sent again."""
    made = draft.certificates.made
    if made is None or made.command_id != command.command_id:
        return
    if command.state == "accepted":
        draft.count("certificate_requests_total", "accepted")
        _put_made(draft, "accepted", chain="")
    elif command.state in ("rejected", "error"):
        draft.count("certificate_requests_total", "rejected")
        answer = command.response.get("status") if isinstance(command.response, dict) else None
        _put_made(draft, "rejected", chain="", answer=str(answer or command.error)[:200])
    else:
        _put_made(draft, "unanswered")
        if made.sent < MAX_SENT:
            draft.wake(DELIVERY_TIMER, made.id, draft.now + SEND_AGAIN_MS)


@wakes(DELIVERY_TIMER)
def _deliver_again(draft: Draft, certificate_id: str) -> None:
    made = draft.certificates.made
    if made is not None and made.id == certificate_id and made.state == "unanswered":
        _send(draft)


# ── what the station has ─────────────────────────────────────────────────────────────────────────────────────────────


def seen(draft: Draft, certificate_id: str, not_after: int) -> None:
    """Take in the certificate that a session was opened with; before it ends the station is asked for a new one."""
    held = draft.certificates
    if not certificate_id or (held.current is not None and held.current.id == certificate_id):
        return
    if held.current is not None:
        draft.effect("ZREM", keys.CERTIFICATES, index_member(draft.station_id, held.current))
    made = held.made if held.made is not None and held.made.id == certificate_id else None
    current = Certificate(
        id=certificate_id,
        not_after=not_after,
        state="used",
        changed_at=draft.now,
        subject=made.subject if made is not None else "",
    )
    _change(draft, current=current, **({"made": None} if made is not None else {}))
    draft.effect("ZADD", keys.CERTIFICATES, not_after, index_member(draft.station_id, current))
    draft.wake(RENEWAL_TIMER, certificate_id, max(not_after - draft.policy.certificate_renew_ms, draft.now))
    _announce(draft, "used", current)


@wakes(RENEWAL_TIMER)
def _renew(draft: Draft, certificate_id: str) -> None:
    """Ask for a new certificate where this is still the station's, once a day until it has another."""
    current = draft.certificates.current
    if current is None or current.id != certificate_id or not draft.policy.signs_certificates:
        return
    due = current.not_after - draft.policy.certificate_renew_ms
    if draft.now < due:
        draft.wake(RENEWAL_TIMER, certificate_id, due)
        return
    if _words(draft) is not None:
        _ask(draft)
    draft.wake(RENEWAL_TIMER, certificate_id, draft.now + ASK_AGAIN_MS)


def roots(draft: Draft, use: str, found: tuple[Root, ...]) -> None:
    """Take in which roots of one use the station says it has."""
    others = tuple(one for one in draft.certificates.roots if one.use != use)
    _change(draft, roots=(*others, *found)[:MAX_ROOTS], roots_read_at=draft.now)


def forget(draft: Draft) -> None:
    """The station is deleted: its certificates are listed no more."""
    _drop_pending(draft)
    current = draft.certificates.current
    if current is not None:
        draft.effect("ZREM", keys.CERTIFICATES, index_member(draft.station_id, current))


def _put_made(draft: Draft, state: CertificateState, **changes: Any) -> None:
    made = draft.certificates.made
    assert made is not None, "it was made"
    changed = msgspec.structs.replace(made, state=state, changed_at=draft.now, **changes)
    _change(draft, made=changed)
    _announce(draft, state, changed, changed.answer)


def _change(draft: Draft, **changes: Any) -> None:
    draft.put(msgspec.structs.replace(draft.certificates, **changes))


def _announce(draft: Draft, state: str, certificate: Certificate | None, problem: str = "") -> None:
    draft.emit(
        CertificateChanged(
            station_id=draft.station_id,
            at=draft.now,
            state=state,
            certificate_id=certificate.id if certificate is not None else "",
            not_after=certificate.not_after if certificate is not None else 0,
            problem=problem,
        )
    )
