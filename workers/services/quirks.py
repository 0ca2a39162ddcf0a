"""What needs a choice per model, as data: rules by vendor, model and firmware, and by station as operators set them.

    the files' profiles  <  what operators set for the model  <  the station's own `quirk_profile`

Later ones win, rule by rule; `none` takes a rule away, an unknown name or value has no effect. The process that decides
installs the first two (`install`): they are as good as settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from shared.quirk_profiles import Profile, given, load
from shared.quirk_profiles.rules import CHARGING, NO_RULE, number_of
from shared.records.models import Overrides, model_key
from shared.records.probes import Abilities
from shared.records.stations import StationRecord

FREE_VEND_TAGS: Final = frozenset(
    {"", "0", "00000000", "free", "freevend", "free_vend", "noauth", "no_auth", "unknown"}
)
"""What stations send as id tag where nobody has to identify himself."""


class Quirks(msgspec.Struct, frozen=True, gc=False):
    """The rules that apply to one station."""

    strip_suffix: bool = False
    hex_tags: bool = False
    tag_suffix: str = ""
    """What an id tag ends before."""
    tag_reversed: bool = False
    tag_digits: int = 0
    tag_case: str = ""
    """`upper` or `lower`: how tags are written into its local list; empty: as they are."""
    free_vend: bool = False
    samples_in_kwh: bool = False
    meter_in_kwh: bool = False
    session_register: bool = False
    main_meter: bool = False
    no_boot_trigger: bool = False
    no_configuration_reads: bool = False
    no_pings: bool = False
    ignore_info: bool = False
    boot_hold_ms: int = -1
    """-1: the policy's, as with the next two."""
    command_timeout_ms: int = -1
    start_failure_ms: int = -1
    connectors: int = 0
    """0: as the station says."""
    charging: tuple[tuple[str, str], ...] = ()
    """What rules say of its smart charging (quirk 25)."""
    signed_firmware: str = ""
    """`yes` or `no`; empty: as its configuration tells."""

    def id_tag(self, text: str) -> str:
        """Return the id tag that `text` stands for."""
        text = text.strip()
        if self.strip_suffix:
            text = text.partition("_")[0] or text
        if self.tag_suffix and not (self.hex_tags and self.tag_suffix in _SEPARATORS):
            text = text.partition(self.tag_suffix)[0] or text
        if self.hex_tags:
            digits = re.sub(r"[\s:.-]", "", text.lower().removeprefix("0x"))
            text = digits if _is_hex(digits) else text
        if self.tag_digits and _is_hex(text):
            text = text.zfill(self.tag_digits)
        return _turned(text) if self.tag_reversed else text

    def listed(self, id_tag: str) -> str:
        """Return how a tag must stand in the station's local list to be the one that its reader names."""
        text = _turned(id_tag) if self.tag_reversed else id_tag
        if self.tag_digits and _is_hex(text):
            text = text.lstrip("0") or "0"
        return text.upper() if self.tag_case == "upper" else text.lower() if self.tag_case == "lower" else text

    def is_free_vend(self, id_tag: str) -> bool:
        """Tell whether a start with this tag needs no tag at all."""
        return self.free_vend and id_tag.lower() in FREE_VEND_TAGS


_SEPARATORS: Final = ":-"
"""Between the bytes of a hexadecimal id: nothing ends there."""
SUFFIXES: Final = {"dash": "-", "colon": ":", "slash": "/", "hash": "#"}


def _is_hex(text: str) -> bool:
    return re.fullmatch(r"[0-9A-Fa-f]+", text) is not None


def _turned(text: str) -> str:
    """Return a hexadecimal text with its bytes in reverse order; another one as it is."""
    if len(text) % 2 or not _is_hex(text):
        return text
    return "".join(text[n : n + 2] for n in range(len(text) - 2, -1, -2))


class _Held:
    """What is installed in this process."""

    profiles: tuple[Profile, ...] = load()
    of_models: Mapping[str, Overrides] = {}
    abilities: Mapping[str, Abilities] = {}


_NONE: Final = Quirks()
_UNSAID: Final = Overrides()


def install(profiles: tuple[Profile, ...] | None = None, of_models: Mapping[str, Overrides] | None = None) -> None:
    """Let these profiles, or what operators say by model key, hold from now on; None leaves what holds."""
    if profiles is not None:
        _Held.profiles = profiles
    if of_models is not None:
        if of_models == _Held.of_models:
            return
        _Held.of_models = of_models
    _effective.cache_clear()


def learned(abilities: Mapping[str, Abilities]) -> None:
    """Let what probes have shown, by model key, hold from now on."""
    _Held.abilities = abilities


def abilities_of(vendor: str, model: str, firmware: str) -> Abilities | None:
    """Return what probes have shown of a model's smart charging."""
    return _Held.abilities.get(model_key(vendor, model, firmware)) if _Held.abilities else None


def quirks_of(station: StationRecord | None) -> Quirks:
    """Return the rules of a station; none of a station that is not known."""
    if station is None:
        return _NONE
    return _effective(station.vendor, station.model, station.firmware, tuple(station.quirk_profile.items()))


def rules_of(vendor: str, model: str, firmware: str) -> dict[str, str]:
    """Return the rules of a model: the profiles', then the operators'."""
    return given(_Held.profiles, vendor, model, firmware) | overrides_of(vendor, model, firmware).rules


def overrides_of(vendor: str, model: str, firmware: str) -> Overrides:
    """Return what operators say of a model."""
    return _Held.of_models.get(model_key(vendor, model, firmware), _UNSAID) if _Held.of_models else _UNSAID


@lru_cache(maxsize=4096)
def _effective(vendor: str, model: str, firmware: str, own: tuple[tuple[str, str], ...]) -> Quirks:
    return _made(rules_of(vendor, model, firmware) | dict(own))


def _made(rules: dict[str, str]) -> Quirks:
    return Quirks(
        strip_suffix=rules.get("id_tag") == "strip_suffix",
        hex_tags=rules.get("id_tag") == "hex",
        tag_suffix=SUFFIXES.get(rules.get("id_tag_suffix", ""), ""),
        tag_reversed=rules.get("id_tag_bytes") == "reversed",
        tag_digits=int(number_of(rules, "id_tag_digits")),
        tag_case=rules.get("id_tag_case", "") if rules.get("id_tag_case") in ("upper", "lower") else "",
        free_vend=rules.get("free_vend") == "accept",
        samples_in_kwh=rules.get("samples_in") == "kwh",
        meter_in_kwh=rules.get("meter_in") == "kwh",
        session_register=rules.get("register") == "session",
        main_meter=rules.get("main_meter") == "transaction",
        no_boot_trigger=rules.get("trigger_boot") == "never",
        no_configuration_reads=rules.get("read_configuration") == "never",
        no_pings=rules.get("ping") == "off",
        ignore_info=rules.get("status_info") == "ignore",
        boot_hold_ms=_ms(rules, "boot_hold"),
        command_timeout_ms=_ms(rules, "command_timeout"),
        start_failure_ms=_ms(rules, "start_failure"),
        connectors=int(number_of(rules, "connectors")),
        charging=tuple((name, rules[name]) for name in CHARGING if rules.get(name, NO_RULE) != NO_RULE),
        signed_firmware=rules.get("signed_firmware", ""),
    )


def _ms(rules: dict[str, str], name: str) -> int:
    return round(number_of(rules, name) * 1000) if name in rules and rules[name] != "none" else -1
