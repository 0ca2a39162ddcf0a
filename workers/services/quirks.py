"""What needs a choice per model, as data: rules by vendor, model and firmware, and by station as operators set them.

A rule is a name and a value, both texts; `RULES` says which exist and what they mean. `PROFILES` gives them to models,
`StationRecord.quirk_profile` to a single station, which wins. An unknown name or value has no effect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from shared.records.stations import StationRecord

RULES: Final[dict[str, dict[str, str]]] = {
    "id_tag": {
        "strip_suffix": "what follows the first `_` of an id tag is the reader's serial number and is dropped",
        "hex": "id tags are hexadecimal: separators and a leading 0x are dropped",
    },
    "free_vend": {"accept": "a start without an id tag, or with the station's own for nobody, is accepted"},
    "samples_in": {"kwh": "energy samples labelled Wh, or not at all, are kWh"},
    "meter_in": {"kwh": "meterStart and meterStop are kWh"},
    "register": {"session": "the energy register counts from 0 in each session"},
    "main_meter": {"transaction": "samples of connector 0 belong to the only open transaction"},
    "trigger_boot": {"never": "TriggerMessage(BootNotification) makes it reboot: it is not asked"},
    "read_configuration": {"never": "it reboots when its configuration is read: it is not asked"},
}
"""Rule -> value -> meaning; the documentation's table is made from it."""

NO_RULE: Final = "none"
"""Value of any rule: what its model's profile says does not hold for this station."""

FREE_VEND_TAGS: Final = frozenset(
    {"", "0", "00000000", "free", "freevend", "free_vend", "noauth", "no_auth", "unknown"}
)
"""What stations send as id tag where nobody has to identify himself."""


class Profile(msgspec.Struct, frozen=True):
    """Rules of the models that match: regular expressions over the whole text, case-insensitive."""

    rules: dict[str, str]
    vendor: str = ".*"
    model: str = ".*"
    firmware: str = ".*"


PROFILES: Final[tuple[Profile, ...]] = (Profile({"main_meter": "transaction"}, vendor="keba.*"),)
"""All that match apply, later ones win."""


class Quirks(msgspec.Struct, frozen=True, gc=False):
    """The rules that apply to one station."""

    strip_suffix: bool = False
    hex_tags: bool = False
    free_vend: bool = False
    samples_in_kwh: bool = False
    meter_in_kwh: bool = False
    session_register: bool = False
    main_meter: bool = False
    no_boot_trigger: bool = False
    no_configuration_reads: bool = False

    def id_tag(self, text: str) -> str:
        """Return the id tag that `text` stands for."""
        text = text.strip()
        if self.strip_suffix:
            text = text.partition("_")[0] or text
        if self.hex_tags:
            digits = re.sub(r"[\s:.-]", "", text.lower().removeprefix("0x"))
            text = digits if re.fullmatch(r"[0-9a-f]+", digits) else text
        return text

    def is_free_vend(self, id_tag: str) -> bool:
        """Tell whether a start with this tag needs no tag at all."""
        return self.free_vend and id_tag.lower() in FREE_VEND_TAGS


_NONE: Final = Quirks()


def quirks_of(station: StationRecord | None) -> Quirks:
    """Return the rules of a station; none of a station that is not known."""
    if station is None:
        return _NONE
    return _effective(station.vendor, station.model, station.firmware, tuple(station.quirk_profile.items()))


@lru_cache(maxsize=4096)
def _effective(vendor: str, model: str, firmware: str, own: tuple[tuple[str, str], ...]) -> Quirks:
    rules: dict[str, str] = {}
    for profile in PROFILES:
        pairs = ((profile.vendor, vendor), (profile.model, model), (profile.firmware, firmware))
        if all(re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL) for pattern, text in pairs):
            rules.update(profile.rules)
    return _made(rules | dict(own))


def _made(rules: Mapping[str, str]) -> Quirks:
    return Quirks(
        strip_suffix=rules.get("id_tag") == "strip_suffix",
        hex_tags=rules.get("id_tag") == "hex",
        free_vend=rules.get("free_vend") == "accept",
        samples_in_kwh=rules.get("samples_in") == "kwh",
        meter_in_kwh=rules.get("meter_in") == "kwh",
        session_register=rules.get("register") == "session",
        main_meter=rules.get("main_meter") == "transaction",
        no_boot_trigger=rules.get("trigger_boot") == "never",
        no_configuration_reads=rules.get("read_configuration") == "never",
    )
