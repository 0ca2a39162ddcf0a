"""A station's configuration as Ampstream knows it: snapshots, how they differ, and what is under way about it.

s:{id}:config           the last snapshot, whole
s:{id}:config:history   a list, the newest first: one `Version` per snapshot that differed from the one before
section `cf`            `Configured`: reads under way, when the next is due, what the firmware has shown
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .jobs import JobKind

MASK = "***"
"""Stands for the value of a key that holds a secret: it is neither stored nor shown."""


class KeyValue(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """One configuration key as the station reported it, coerced to text (quirk 23)."""

    value: str | None = None
    """None: the key came without a value."""
    readonly: bool = False


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A station's whole configuration at a time: key `s:{id}:config`."""

    read_at: int
    """When it was last read; the same content read again only moves this."""
    version: int = 1
    """Counts the snapshots that differed."""
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    keys: dict[str, KeyValue] = {}
    """By the key's name as the station spells it."""
    partial: bool = False
    """Only the standard's keys could be asked for: others stand as they were last known."""
    dropped: int = 0
    """Keys that were left out because all of them would take more bytes than the setting allows."""


ChangeKind = Literal[
    "added",
    "removed",
    "changed",
    "made_readonly",
    "made_writable",
    "firmware",
    "error_code_new",
    "error_code_gone",
    "vendor_error_code_new",
    "vendor_error_code_gone",
    "measurand_new",
    "measurand_gone",
]
"""The first five are of a key; `new` and `gone` are of what a firmware shows, see `FirmwareMemory`."""


class Change(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One difference between two snapshots."""

    kind: ChangeKind
    name: str = ""
    """The key, the code or the measurand; empty for the firmware."""
    before: str | None = None
    after: str | None = None
    readonly: bool = False
    """Of a key that was added or removed: whether it is, or was, read-only."""


class Version(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One entry of a station's history of configurations: what made `version` out of the one before."""

    version: int
    read_at: int
    trigger: str = ""
    firmware: str = ""
    keys: int = 0
    """How many keys it has."""
    changes: tuple[Change, ...] = ()
    drift_id: str = ""
    """The drift that its significant changes are, if any are."""


class KeyRead(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A read that is under way."""

    trigger: str = ""
    """Why: `boot`, `schedule`, `operator` or `job`; for keys that somebody asked for, who."""
    began_at: int = 0
    command_id: str = ""
    """The command that is queued or sent; empty: it waits for `retry_at`."""
    retry_at: int = 0
    failures: int = 0
    left: tuple[str, ...] = ()
    """Keys yet to be asked for; without any, all keys are asked for at once."""
    chunk: int = 0
    """How many of them one command asks for."""
    expires_at: int = 0
    """Its commands are not sent after this; 0: the policy's."""
    found: dict[str, KeyValue] = {}
    unknown: tuple[str, ...] = ()


class Shown(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """What a station shows of itself while it works."""

    error_codes: tuple[str, ...] = ()
    vendor_error_codes: tuple[str, ...] = ()
    measurands: tuple[str, ...] = ()


class FirmwareMemory(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a station's firmware has shown since it came."""

    version: str = ""
    since: int = 0
    shown: Shown = Shown()
    known: Shown | None = None
    """What counts as usual; None: still being learned."""
    compared: bool = False
    """Whether what the previous firmware showed and this one does not was told."""


class Configured(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Section `cf`: where the reading of a station's configuration stands."""

    read_at: int = 0
    """When the configuration was last read whole; 0: never."""
    next_at: int = 0
    """When it is read again."""
    failed_at: int = 0
    """When the last read was given up; 0: it went well."""
    failure: str = ""
    """Why."""
    reads: dict[str, KeyRead] = {}
    """Under way, by purpose: `whole`, or who asked for some keys."""
    max_keys: int = 0
    """GetConfigurationMaxKeys as last read; 0: not known."""
    expected: dict[str, str] = {}
    """Key -> value that a station took from us since the last snapshot: its change is no drift."""
    firmware: FirmwareMemory = FirmwareMemory()
    quiet: bool = False
    """Whether its door says that it answers no ping."""
    drifts: tuple[str, ...] = ()
    """Drifts that nobody has acknowledged."""
    jobs: dict[str, JobKind] = {}
    """Jobs over many stations that wait for the end: of the read, or of what templates set after it."""
