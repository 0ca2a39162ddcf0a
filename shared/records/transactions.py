"""Transactions and their samples."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

TransactionState = Literal["open", "closed"]


class Estimate(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An end that Ampstream assumed; kept in the history once the station's own stop replaced it."""

    made_at: int
    stopped_at: int
    meter_stop_wh: int
    energy_wh: int
    reason: str
    evidence: str
    """Why the transaction was provably over, in words."""


class TagAnswer(msgspec.Struct, array_like=True, frozen=True):
    """What the station was told of an id tag, so that a repetition is told the same."""

    status: str
    expires_at: int = 0
    """0: never."""
    group: str = ""


class Plan(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a transaction is to get, by an operator's word; None: nobody said."""

    energy_wh: int | None = None
    """In all, from its start."""
    departs_at: int | None = None
    priority: int | None = None
    """At its site; greater is sooner."""


class Transaction(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One charging session as the station reported it; open ones live in section `ch`, closed ones alone."""

    transaction_id: int
    station_id: str
    connector_id: int
    id_tag: str
    group: str = ""
    """The tag's parent: a stop by another tag of the same group is allowed."""
    started_at: int
    """The station's own time, corrected where it gave no zone; `received_at` is ours."""
    received_at: int
    meter_start_wh: int
    start_key: str
    """Digest of the start's business key (connector, idTag, timestamp, meterStart)."""
    authorization: str = "Accepted"
    """The status that the start was answered with."""
    expires_at: int = 0
    """The tag's expiry as the start was answered with; 0: none."""
    reservation_id: int = 0
    state: TransactionState = "open"
    stopped_at: int = 0
    stop_received_at: int = 0
    stop_id_tag: str = ""
    stop_answer: TagAnswer | None = None
    """What the stop was answered with, where it named a tag."""
    stop_reason: str = ""
    reported_stop: tuple[int, int] | None = None
    """Timestamp (ms) and meterStop as the station's own stop had them: the same again is a repetition."""
    meter_stop_wh: int | None = None
    energy_wh: int = 0
    """`meter_stop_wh - meter_start_wh` once closed; by the last register sample while open; never negative."""
    flags: tuple[str, ...] = ()
    estimated: bool = False
    """True while the end is Ampstream's own estimate."""
    estimates: tuple[Estimate, ...] = ()
    last_sample_at: int = 0
    """The newest sample's timestamp: later ones need no look at the history to be new."""
    last_meter_wh: int | None = None
    last_power_w: float | None = None
    last_soc: float | None = None
    last_activity_at: int = 0
    sample_count: int = 0
    data_policy: Literal["", "met", "partly", "unmet", "none"] = ""
    """Whether its meter data was what the policy wants; empty: no policy, or too short to tell."""
    data_missing: tuple[str, ...] = ()
    """What was missing: `<field of the policy>:<measurand>`, or the name of an interval that was not kept."""
    plan: Plan | None = None
    """What an operator wants it to get."""
    holder: str = ""
    """The holder's name under the id tag's concurrent limit, released at the end."""


class Charging(msgspec.Struct, frozen=True, omit_defaults=True):
    """Section `ch`: the open transactions by id, and reconciliations that run."""

    open: dict[int, Transaction] = {}
    reconciliations: dict[int, Reconciliation] = {}
    pool: int = 0
    """The connector 0 meter register last seen, Wh (stations with one connector report their main meter there)."""
    last_sample_at: dict[int, int] = {}
    """Connector -> newest timestamp of its samples without a transaction: later ones need no look at the history."""
    estimated: tuple[int, ...] = ()
    """The newest transactions whose end is an estimate: a stop that names no transaction may be theirs."""


class Reconciliation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The durable record of a reconciliation of one open transaction, driven by timers; a lost job loses nothing."""

    transaction_id: int
    started_at: int
    deadline_at: int
    trigger: str
    """`boot` or `reconnect`."""
    available_at: int = 0
    """When the connector was reported Available since; 0: not."""
    asked: tuple[str, ...] = ()
    """Command ids of the TriggerMessages that were sent."""


class Sample(msgspec.Struct, array_like=True, frozen=True):
    """One sampled value, units normalised (W, Wh, A, V, var, varh, VA, VAh, Celsius, Percent, Hz, ...)."""

    measurand: str
    value: int | float | str
    """Integer for energy registers in Wh; text where it was signed data or no number."""
    unit: str = ""
    phase: str = ""
    location: str = "Outlet"
    context: str = "Sample.Periodic"
    format: str = "Raw"
    flags: tuple[str, ...] = ()


class Reading(msgspec.Struct, array_like=True, frozen=True):
    """All samples of one timestamp: one entry `m` of a meter stream."""

    taken_at: int
    samples: tuple[Sample, ...]
    received_at: int = 0
    connector_id: int = 0
    flags: tuple[str, ...] = ()


class Stop(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An orphan stop: a StopTransaction that fits no transaction of the station (kept in the history)."""

    transaction_id: int
    id_tag: str
    stopped_at: int
    meter_stop_wh: int
    reason: str
    data: Any = None


def sort_time(transaction: Transaction) -> int:
    """Return the time (ms) under which indexes hold a transaction: its start, or its receipt."""
    return transaction.received_at if "clock_suspect" in transaction.flags else transaction.started_at
