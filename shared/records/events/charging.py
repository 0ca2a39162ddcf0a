"""Transactions, authorizations, reservations."""

from __future__ import annotations

from shared.records.events.base import Event


class TransactionStarted(Event, tag="transaction.started"):
    """A transaction started (a repetition of its StartTransaction is no second event)."""

    transaction_id: int
    connector_id: int
    id_tag: str
    started_at: int
    meter_start_wh: int
    authorization: str
    flags: tuple[str, ...] = ()


class TransactionUpdated(Event, tag="transaction.updated"):
    """New samples of an open transaction."""

    transaction_id: int
    connector_id: int
    energy_wh: int
    power_w: float | None = None
    soc_percent: float | None = None
    sampled_at: int = 0


class TransactionEnded(Event, tag="transaction.ended"):
    """A transaction ended, as the station reported or, `estimated`, as Ampstream concluded."""

    transaction_id: int
    connector_id: int
    id_tag: str
    started_at: int
    stopped_at: int
    energy_wh: int
    meter_stop_wh: int | None
    reason: str
    estimated: bool = False
    flags: tuple[str, ...] = ()


class TransactionCorrected(Event, tag="transaction.corrected"):
    """The station's own stop came and replaced an estimate."""

    transaction_id: int
    connector_id: int
    energy_wh: int
    previous_energy_wh: int
    stopped_at: int
    reason: str


class TransactionOrphanStop(Event, tag="transaction.orphan_stop"):
    """A StopTransaction came that fits no transaction."""

    transaction_id: int
    meter_stop_wh: int


class AuthorizationRefused(Event, tag="authorization.refused"):
    """An id tag was refused, at Authorize or at a start (`where`)."""

    status: str
    where: str


class TransactionUnauthorized(Event, tag="transaction.unauthorized"):
    """A transaction has begun whose tag was refused when its start came, `offline` or on the station's own knowledge.

    `expected`: what the station is set to do, `stop`, `suspend` (the energy alone) or `unknown`; `max_energy_wh`: what
    it may still give (MaxEnergyOnInvalidId), null where it has no such key.
    """

    transaction_id: int
    connector_id: int
    status: str
    offline: bool
    started_at: int
    expected: str
    max_energy_wh: int | None = None


class TransactionUnauthorizedEnded(Event, tag="transaction.unauthorized_ended"):
    """Such a transaction ended; `energy_after_wh` is what it was given after the refusal, null where none measured."""

    transaction_id: int
    connector_id: int
    status: str
    energy_wh: int
    energy_after_wh: int | None = None
    flags: tuple[str, ...] = ()


class StartFailed(Event, tag="transaction.start_failed"):
    """A remote start was accepted and no transaction began in time: `reason` offline, tag, connector or unknown."""

    command_id: str
    connector_id: int
    reason: str
    detail: str = ""


class StopFailed(Event, tag="transaction.stop_failed"):
    """A remote stop was accepted and the transaction did not end in time: `reason` offline or unknown."""

    command_id: str
    transaction_id: int
    connector_id: int
    reason: str
    detail: str = ""


class ReconciliationStarted(Event, tag="transaction.reconciling"):
    """An open transaction of a station that came back is being looked at."""

    transaction_id: int
    trigger: str


class DataIncomplete(Event, tag="transaction.data_incomplete"):
    """A transaction's meter data did not meet the policy: `data_policy` partly, unmet or none."""

    transaction_id: int
    connector_id: int
    data_policy: str
    missing: tuple[str, ...] = ()


class ReservationMade(Event, tag="reservation.made"):
    """A station has accepted a reservation; `number` is what it knows it by, connector 0 is any."""

    reservation_id: str
    number: int
    connector_id: int
    expires_at: int


class ReservationUsed(Event, tag="reservation.used"):
    """A transaction began under a reservation; it may have ended before, unused as it seemed."""

    reservation_id: str
    number: int
    connector_id: int
    transaction_id: int


class ReservationExpired(Event, tag="reservation.expired"):
    """A reservation's time was over before anybody used it."""

    reservation_id: str
    number: int
    connector_id: int


class ReservationCancelled(Event, tag="reservation.cancelled"):
    """A reservation was cancelled, replaced, or never sent."""

    reservation_id: str
    number: int
    connector_id: int
    reason: str = ""


class ReservationRefused(Event, tag="reservation.refused"):
    """A station has not accepted a reservation; `reason` is the status or the error that it answered."""

    reservation_id: str
    number: int
    connector_id: int
    reason: str = ""
