"""How stations deviate, as data: refusing, slow, rebooting, reverting, and what vendors do (docs/stations.md, quirks).

    Behaviour(refuses={"Reset": "Rejected"}, answers_after_s={"*": 5})        made by a test, for one station
    BEHAVIOURS["slow"]                                                        by name; `--behaviour slow`
    combined([BEHAVIOURS["slow"], BEHAVIOURS["reverting"]])                   both

A station without any is `PLAIN`. An action `*` stands for every action, a key `*` for every key.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any, Final, Literal

import msgspec

from ampstream.simulate import deviations
from ampstream.simulate.keys import Changes, Key
from ampstream.simulate.refusals import check

NEVER: Final = math.inf

Distortion = Literal["tag_hex", "tag_suffix", "kwh_as_wh", "no_zone", "clock_1970", "lower_case", "main_meter"]
"""What a station does to all it says (`ampstream.simulate.distortions`)."""

Updates = Literal["good", "install_fails", "other_version", "vanishes", "never_reports", "quiet"]
"""`never_reports`: nothing comes of it, nothing is said. `quiet`: nothing is said, and it boots with the version."""

NOTHING: Final[Mapping[str, Any]] = {}
_NONE: Final[frozenset[str]] = frozenset()


class Firmware(msgspec.Struct, frozen=True, kw_only=True):
    """A firmware to come: its version, and the keys that it adds, changes or takes away."""

    version: str
    keys: Changes = NOTHING


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """One way to deviate; every field's default is what the standard asks for."""

    name: str = "plain"
    summary: str = ""

    # --- what it calls itself when it boots; empty: as its model
    vendor: str = ""
    model: str = ""
    version: str = ""

    # --- answering
    refuses: Mapping[str, str] = NOTHING
    """By action: a status of its answer (`Rejected`), or the code of a CALLERROR (`NotImplemented`, `NotSupported`,
    `InternalError`). `*` with a status means the actions that have one."""
    answers_after_s: Mapping[str, float] = NOTHING
    """By action, real seconds. What is asked is done at once; `NEVER`: done and not answered."""
    boots_on: frozenset[str] = _NONE
    """Actions that make it fall over: it drops the connection without an answer and boots (quirk 22).
    `TriggerMessage:BootNotification` means that trigger alone (quirk 3)."""
    boots_early: bool = False
    """Falls over whatever is asked before its boot is answered (quirk 2)."""

    # --- configuration
    keys: Changes = NOTHING
    """Keys that it has, has not, or has otherwise than its model."""
    values: Mapping[str, str] = NOTHING
    """Values that it begins with."""
    valueless: frozenset[str] = _NONE
    """Keys that it reports without a value (quirk 23)."""
    tells_loosely: bool = False
    """Answers GetConfiguration with numbers, booleans and nulls, and without unknownKey (quirk 23)."""
    measurands: frozenset[str] | None = None
    """What it can measure; None: all that the standard names."""
    unsupported: Literal["refuse", "drop", "pretend"] = "refuse"
    """A list with a measurand that it cannot measure: refused as a whole; taken without it; taken, read back whole, and
    not sampled."""
    ignores: frozenset[str] = _NONE
    """Keys whose change it answers Accepted, and forgets."""
    reverts: frozenset[str] = _NONE
    """Keys that go back to what they were."""
    reverts_after_s: float = 0.0
    """Simulated seconds until they do; 0: at the next boot."""
    boots_for_keys: bool = False
    """Boots by itself after a change that it answered RebootRequired."""
    firmware: Firmware | None = None
    """What it comes back with after its first boot, without having been asked."""
    fails_transfers: bool = False
    """Downloads and uploads fail."""
    updates: Updates = "good"
    """How an update goes that was downloaded well."""

    # --- charging
    ignores_remote_start: bool = False
    """Accepts a remote start, and nothing follows (quirk 26)."""
    stuck_finishing: bool = False
    """Stays in Finishing after a session, until it boots (quirk 26)."""
    free_before_stop: bool = False
    """Reports Available before its StopTransaction, and no Finishing (quirk 27)."""
    status_repeats: int = 1
    """How often it reports each status (quirk 27)."""
    heartbeat_s: float = 0.0
    """Real seconds between heartbeats, whatever it was told (quirk 27); 0: as it was told."""
    ignores_reservations: bool = False
    """Lets anybody charge on a reserved connector, and names no reservation."""
    forgets_reservations: bool = False
    """Has none any more after a boot."""
    forgets_list: bool = False
    """Has no local authorization list any more after a boot."""
    list_at_once: int = 0
    """Takes only so many tags of its local list at a time, whatever it says; 0: as it says."""

    # --- charging profiles: what its cars draw; it accepts and reports them as the standard says
    obeys_purposes: frozenset[str] | None = None
    """Purposes that it obeys, in the standard's words; None: all."""
    obeys_after_s: float = 0.0
    """Simulated seconds beyond its reaction until a change counts, at the start of a transaction too."""
    at_zero: Literal["pause", "ignore", "minimum", "end"] = "pause"
    """A limit of 0: pauses; changes nothing; counts as 6 A; ends the transaction (quirk 25)."""
    below_minimum: Literal["pause", "minimum"] = "pause"
    """A limit above 0 and below 6 A: pauses; counts as 6 A."""
    takes_watts_for_amps: bool = False
    """Reads a limit in W as one in A."""
    forgets_profiles: bool = False
    """Has none any more after a boot."""
    profile_faults: frozenset[str] = _NONE
    """What it answers otherwise than the standard asks for: names of `ampstream.simulate.deviations` (quirk 25)."""
    cars_stay_asleep: bool = False
    """A car that was paused does not go on when it may: SuspendedEV."""

    # --- wording
    distorts: frozenset[Distortion] = frozenset()

    def __post_init__(self) -> None:
        """Raise ValueError for an action or an answer that does not exist."""
        check(self.refuses)
        deviations.check(self.profile_faults)

    def refusal(self, action: str) -> str | None:
        """Return how it refuses an action; None: it does not."""
        return self.refuses.get(action) or self.refuses.get("*") if self.refuses else None

    def delay_s(self, action: str) -> float:
        """Return how long its answer takes."""
        if not self.answers_after_s:
            return 0.0
        return self.answers_after_s.get(action, self.answers_after_s.get("*", 0.0))


PLAIN: Final = Behaviour()


def combined(behaviours: Iterable[Behaviour]) -> Behaviour:
    """Return one behaviour that deviates as all of these do; of two that exclude each other the later counts."""
    return reduce(_with, behaviours, PLAIN)


def _with(one: Behaviour, other: Behaviour) -> Behaviour:
    merged = {name: _merged(name, getattr(one, name), getattr(other, name)) for name in Behaviour.__struct_fields__}
    return Behaviour(**merged)


def _merged(name: str, one: Any, other: Any) -> Any:
    default = getattr(PLAIN, name)
    if one == default or other == default:
        return one if other == default else other
    if name == "name":
        return f"{one}+{other}"
    if isinstance(other, Mapping):
        return {**one, **other}
    # What can be measured, or is obeyed, by both; of everything else what either does.
    if name in ("measurands", "obeys_purposes"):
        return one & other
    return one | other if isinstance(other, frozenset) else other


_FEW: Final = frozenset(("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import"))

BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    behaviour.name: behaviour
    for behaviour in (
        Behaviour(name="refusing", summary="refuses whatever can be refused", refuses={"*": "Rejected"}),
        Behaviour(
            name="bare",
            summary="knows the Core profile only, and answers CALLERRORs beyond",
            keys={"SupportedFeatureProfiles": Key("Core", readonly=True)},
        ),
        Behaviour(name="slow", summary="answers after 5 s", answers_after_s={"*": 5.0}),
        Behaviour(name="late", summary="answers after 60 s (quirk 24)", answers_after_s={"*": 60.0}),
        Behaviour(name="silent", summary="does what it is asked, never answers", answers_after_s={"*": NEVER}),
        Behaviour(
            name="rebooting",
            summary="falls over when its configuration is read (quirk 22)",
            boots_on=frozenset(("GetConfiguration",)),
        ),
        Behaviour(
            name="trigger-reboots",
            summary="falls over when asked for a BootNotification (quirk 3)",
            boots_on=frozenset(("TriggerMessage:BootNotification",)),
        ),
        Behaviour(
            name="early-reboots", summary="falls over when asked before it has booted (quirk 2)", boots_early=True
        ),
        Behaviour(name="key-reboots", summary="boots by itself after changes that need it", boots_for_keys=True),
        Behaviour(name="reverting", summary="forgets changed keys at its next boot", reverts=frozenset("*")),
        Behaviour(
            name="reverting-soon",
            summary="forgets changed keys after a minute",
            reverts=frozenset("*"),
            reverts_after_s=60.0,
        ),
        Behaviour(name="ignoring", summary="accepts changes of keys, changes nothing", ignores=frozenset("*")),
        Behaviour(
            name="loose",
            summary="GetConfiguration with raw values, without unknownKey (quirk 23)",
            tells_loosely=True,
            valueless=frozenset(("ConnectorPhaseRotation", "ResetRetries")),
        ),
        Behaviour(
            name="many-connectors",
            summary="NumberOfConnectors is 1634030126 (quirk 21)",
            values={"NumberOfConnectors": "1634030126"},
        ),
        Behaviour(name="few-measurands", summary="refuses a list with one it cannot measure", measurands=_FEW),
        Behaviour(
            name="drops-measurands",
            summary="takes a list without those that it cannot measure",
            measurands=_FEW,
            unsupported="drop",
        ),
        Behaviour(
            name="pretends-measurands",
            summary="takes every list, samples what it can",
            measurands=_FEW,
            unsupported="pretend",
        ),
        Behaviour(
            name="short-lists",
            summary="takes two measurands at most",
            keys={
                "MeterValuesSampledData": Key("Energy.Active.Import.Register", "measurands"),
                **{
                    f"{name}MaxLength": Key("2", "number", readonly=True)
                    for name in (
                        "MeterValuesAlignedData",
                        "MeterValuesSampledData",
                        "StopTxnAlignedData",
                        "StopTxnSampledData",
                    )
                },
            },
        ),
        Behaviour(
            name="read-only",
            summary="lets nobody set meter values and intervals",
            keys={
                "HeartbeatInterval": Key("300", "number", readonly=True),
                "MeterValueSampleInterval": Key("60", "number", readonly=True),
                "MeterValuesSampledData": Key("Energy.Active.Import.Register", "measurands", readonly=True),
            },
        ),
        Behaviour(
            name="new-firmware",
            summary="comes back from its next boot with other firmware and keys",
            firmware=Firmware(
                version="99.0.1",
                keys={
                    "CpoName": None,
                    "NightMode": Key("false", "switch"),
                    "MeterValueSampleInterval": Key("900", "number"),
                    "WebSocketPingInterval": Key("0", "number", readonly=True),
                },
            ),
        ),
        Behaviour(name="failing-install", summary="says InstallationFailed to each update", updates="install_fails"),
        Behaviour(
            name="wrong-firmware", summary="boots with another version than it was sent", updates="other_version"
        ),
        Behaviour(
            name="vanishing", summary="loses power in the middle of a download, and forgets it", updates="vanishes"
        ),
        Behaviour(name="never-updates", summary="accepts updates, and nothing follows", updates="never_reports"),
        Behaviour(name="quiet-updates", summary="updates without a word", updates="quiet"),
        Behaviour(name="failing-transfers", summary="downloads and uploads fail", fails_transfers=True),
        Behaviour(
            name="never-starts", summary="accepts remote starts, starts nothing (quirk 26)", ignores_remote_start=True
        ),
        Behaviour(name="stuck-finishing", summary="never leaves Finishing (quirk 26)", stuck_finishing=True),
        Behaviour(name="free-early", summary="Available before StopTransaction (quirk 27)", free_before_stop=True),
        Behaviour(
            name="flooding",
            summary="ten of each status, three heartbeats a second (quirk 27)",
            status_repeats=10,
            heartbeat_s=0.33,
        ),
        Behaviour(
            name="ignoring-reservations", summary="lets anybody on a reserved connector", ignores_reservations=True
        ),
        Behaviour(name="forgetful", summary="forgets its reservations when it boots", forgets_reservations=True),
        Behaviour(name="forgets-lists", summary="has no local list any more after a boot", forgets_list=True),
        Behaviour(
            name="small-lists", summary="takes ten tags of a local list at a time, and says more", list_at_once=10
        ),
        Behaviour(name="ignores-limits", summary="accepts profiles, obeys none (quirk 25)", obeys_purposes=frozenset()),
        Behaviour(
            name="defaults-only",
            summary="obeys default profiles alone (quirk 25)",
            obeys_purposes=frozenset(("TxDefaultProfile",)),
        ),
        Behaviour(name="obeys-late", summary="takes 90 s to obey a new limit", obeys_after_s=90.0),
        Behaviour(name="ignores-zero", summary="goes on as before at a limit of 0", at_zero="ignore"),
        Behaviour(name="zero-ends", summary="ends the transaction at a limit of 0 (quirk 25)", at_zero="end"),
        Behaviour(
            name="never-pauses",
            summary="draws 6 A where it may draw less (quirk 25)",
            at_zero="minimum",
            below_minimum="minimum",
        ),
        Behaviour(name="watts-as-amps", summary="takes limits in W for A", takes_watts_for_amps=True),
        Behaviour(name="forgets-profiles", summary="has no profiles any more after a boot", forgets_profiles=True),
        Behaviour(name="sleepy-cars", summary="cars that were paused stay so", cars_stay_asleep=True),
        Behaviour(
            name="switches-phases",
            summary="goes from three phases to one where a profile says so",
            keys={"ConnectorSwitch3to1PhaseSupported": Key("true", "switch", readonly=True)},
        ),
        Behaviour(name="hex-tags", summary="id tags in hexadecimal (quirk 28)", distorts=frozenset(("tag_hex",))),
        Behaviour(
            name="suffixed-tags", summary="id tags with a suffix (quirks 8, 18)", distorts=frozenset(("tag_suffix",))
        ),
        Behaviour(name="kwh", summary="kWh labelled Wh (quirk 19)", distorts=frozenset(("kwh_as_wh",))),
        Behaviour(name="no-zone", summary="times without a zone (quirk 4)", distorts=frozenset(("no_zone",))),
        Behaviour(name="clock-1970", summary="its clock is in 1970 (quirk 6)", distorts=frozenset(("clock_1970",))),
        Behaviour(
            name="main-meter",
            summary="meter values on connector 0, of no transaction (quirk 18)",
            distorts=frozenset(("main_meter",)),
        ),
        Behaviour(
            name="lower-case",
            summary="statuses and reasons in lower case (quirk 33)",
            distorts=frozenset(("lower_case",)),
        ),
        *(
            Behaviour(name=name, summary=summary, profile_faults=frozenset((name,)))
            for name, summary in deviations.DEVIATIONS.items()
        ),
    )
}
