"""Commands, history, quarantine and the summary as operators see them."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.operators.times import Instant, instant, iso
from shared.records import history
from shared.records.commands import CommandRecord, CommandState
from shared.records.configuration import MASK
from shared.records.drift_rules import SHIPPED, matches
from shared.records.jobs import job_of
from shared.records.local_lists import without_tags
from shared.records.quarantine import Quarantined
from shared.urls import redact


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command to a station and what became of it."""

    id: str
    station_id: str
    action: str
    payload: Any
    state: CommandState
    response: Any
    """What the station answered, even where that came after the command had timed out."""
    error: str | None
    job: str | None
    """The job over many stations that sent it."""
    created_at: Instant | None
    sent_at: Instant | None
    ended_at: Instant | None
    expires_at: Instant | None

    @classmethod
    def of(cls, record: CommandRecord) -> Command:
        """Show a record."""
        return cls(
            id=record.command_id,
            station_id=record.station_id,
            action=record.action,
            payload=shown_payload(record.action, record.payload),
            state=record.state,
            response=record.response if record.late_response is None else record.late_response,
            error=record.error or None,
            job=job_of(record.origin) or None,
            created_at=iso(record.created_at),
            sent_at=iso(record.sent_at),
            ended_at=iso(record.ended_at),
            expires_at=iso(record.expires_at),
        )


def shown_payload(action: str, text: str) -> Any:
    """Return a command's payload; a password that it sets is masked, and so are the tags of a list."""
    if action == "SendLocalList":
        return msgspec.Raw(without_tags(text).encode())
    if action == "ChangeConfiguration":
        found = msgspec.json.decode(text)
        if matches(str(found.get("key", "")), SHIPPED.secrets):
            return {**found, "value": MASK}
    return msgspec.Raw(redact(text).encode())


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a station reported, or that was asked of it, beside its present state."""

    kind: str
    """E.g. `status`, `boot`, `late_status`, `security_event`, `orphan_stop`, `sign_certificate`, `request`."""
    received_at: Instant
    reported_at: Instant | None
    """The station's own time."""
    late: bool
    """Whether it came from a session that a newer one had replaced."""
    data: Any

    @classmethod
    def of(cls, record: history.Fact) -> Fact:
        """Show a record."""
        return cls(
            kind=record.kind,
            received_at=instant(record.received_at),
            reported_at=iso(record.reported_at),
            late=record.late,
            data=record.data,
        )


class QuarantinedFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that was not understood, without the frame itself."""

    id: str
    station_id: str
    received_at: Instant
    reason: str
    detail: str
    action: str | None
    size_bytes: int
    transaction_id: int | None
    """For a StartTransaction: what it was answered with; a replay gives the same."""
    replays: int


class WholeFrame(QuarantinedFrame, frozen=True, kw_only=True):
    """A frame that was not understood, whole."""

    frame: str
    """As text; what is no UTF-8 is replaced."""
    frame_base64: str
    """Byte for byte."""
    epoch: int
    call_seq: int


def quarantine_fields(record: Quarantined) -> dict[str, Any]:
    """Return the fields of a `QuarantinedFrame`."""
    return {
        "id": record.quarantine_id,
        "station_id": record.station_id,
        "received_at": instant(record.received_at),
        "reason": record.reason,
        "detail": record.detail,
        "action": record.action or None,
        "size_bytes": len(record.frame),
        "transaction_id": record.transaction_id or None,
        "replays": record.replays,
    }


class StationCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Stations by state."""

    total: int
    online: int
    offline: int
    never_seen: int


class TransactionCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Transactions, all and open."""

    total: int
    open: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A few numbers about everything."""

    at: Instant
    stations: StationCounts
    transactions: TransactionCounts
    energy_wh: int
    """Energy of what started within 24 hours, open transactions included."""
    quarantine: int
