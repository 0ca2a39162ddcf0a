"""Whether a station is accepted: BootNotification (OCPP 1.6 §4.2) and what follows from its answer.

Registration is per station and durable: a reconnect without BootNotification keeps it (quirk 1).
"""

from __future__ import annotations

from typing import Final

import msgspec

from shared.bus import keys
from shared.envelopes import Adjust
from shared.records.events import StationBooted
from shared.records.stations import Registration, SessionRecord, StationRecord
from workers.store.draft import Draft

from . import acceptance, configuration, credentials, firmware, local_lists, reconciliation
from .quirks import quirks_of

SETTLE_MS: Final = 1000
"""Commands wait so long after a boot was answered: the answer is out first, and the station has read it (quirk 2)."""
MAX_TEXT: Final = 255
"""Characters kept of each text of a boot: twenty allowed, more in the field (quirk 8)."""


class Boot(msgspec.Struct, frozen=True, kw_only=True):
    """What a station says of itself."""

    vendor: str
    model: str
    serial_number: str = ""
    firmware: str = ""
    iccid: str = ""
    imsi: str = ""
    meter_type: str = ""
    meter_serial_number: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """The answer to a boot. `interval_s`: the heartbeat's where accepted, else the least wait before the next boot."""

    registration: Registration
    interval_s: int


def boot(draft: Draft, report: Boot) -> Verdict:
    """Answer a boot: registration, record, event, and what the edge must know of the heartbeat interval.

    The station is known: sessions made it so before any CALL is decided.
    """
    station = draft.station
    assert station is not None, "a CALL is only decided for a known station"
    registration = acceptance.verdict(draft, station)
    accepted = registration == "accepted"
    interval_s = draft.policy.heartbeat_interval_s if accepted else draft.policy.boot_retry_interval_s
    verdict = Verdict(registration, interval_s)
    _record(draft, station, report, verdict)
    _answered(draft, interval_s)
    status = registration.capitalize()
    draft.count("boot_notifications_total", status)
    draft.emit(
        StationBooted(
            station_id=draft.station_id,
            at=draft.origin.received_at,
            status=status,
            vendor=report.vendor[:MAX_TEXT],
            model=report.model[:MAX_TEXT],
            firmware=report.firmware[:MAX_TEXT],
            previous_firmware=station.firmware if station.firmware != report.firmware[:MAX_TEXT] else "",
        )
    )
    firmware.booted(draft, report.firmware[:MAX_TEXT])
    if accepted and draft.charging.open:
        reconciliation.on_return(draft, "boot")
    if accepted:
        configuration.begin(draft, configuration.BOOT)
        local_lists.booted(draft)
        credentials.booted(draft)
    return verdict


def _record(draft: Draft, station: StationRecord, report: Boot, verdict: Verdict) -> None:
    texts = {field: getattr(report, field)[:MAX_TEXT] for field in report.__struct_fields__}
    draft.put(
        msgspec.structs.replace(
            station,
            registration=verdict.registration,
            booted_at=draft.origin.received_at,
            heartbeat_interval_s=verdict.interval_s,
            **texts,
        )
    )
    quiet = quirks_of(draft.station).no_pings  # quirk 20
    if quiet != draft.configured.quiet:
        draft.put(msgspec.structs.replace(draft.configured, quiet=quiet))
        draft.write("HSET", keys.door(draft.station_id), "quiet", "1" if quiet else "")
    if verdict.interval_s != station.heartbeat_interval_s:
        draft.write("HSET", keys.door(draft.station_id), "interval", str(verdict.interval_s))


def _answered(draft: Draft, interval_s: int) -> None:
    """Let commands flow soon after the answer, and the presence follow the interval."""
    session: SessionRecord = draft.session
    draft.put(
        msgspec.structs.replace(session, boot_epoch=session.epoch, hold_until=draft.now + SETTLE_MS, triggered=())
    )
    draft.deliver(draft.origin.node, Adjust(draft.station_id, draft.origin.epoch, interval_s))
