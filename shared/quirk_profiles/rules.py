"""The rules that a model or a station may have: a rule is a name and a value, both texts."""

from __future__ import annotations

import math
from typing import Final

import msgspec


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule may be set to: one of `values`, or a number within bounds."""

    values: dict[str, str] = {}
    """Value -> meaning."""
    low: float = 0
    high: float = 0
    unit: str = ""
    meaning: str = ""
    """Of a rule that is a number."""

    @property
    def is_number(self) -> bool:
        """Whether it takes a number."""
        return not self.values

    @property
    def expectation(self) -> str:
        """What it may be, in words."""
        if self.values:
            return ", ".join(self.values)
        return f"{self.low:g} to {self.high:g}{' ' + self.unit if self.unit else ''}"


NO_RULE: Final = "none"
"""Value of any rule: what its model's profile says does not hold for this station."""
RULES: Final[dict[str, Rule]] = {
    "id_tag": Rule(
        values={
            "strip_suffix": "what follows the first `_` of an id tag is the reader's serial number and is dropped",
            "hex": "id tags are hexadecimal: separators and a leading 0x are dropped",
        }
    ),
    "id_tag_suffix": Rule(
        values={
            "dash": "what follows the first `-` of an id tag is the reader's and is dropped; not with `hex`",
            "colon": "the same behind `:`",
            "slash": "the same behind `/`",
            "hash": "the same behind `#`",
        }
    ),
    "id_tag_bytes": Rule(
        values={"reversed": "it reads the bytes of a card in reverse order; a hexadecimal id tag is turned round"}
    ),
    "id_tag_digits": Rule(
        low=2,
        high=20,
        meaning="it leaves leading zeros out; a shorter hexadecimal id tag is filled up to so many digits",
    ),
    "id_tag_case": Rule(
        values={
            "upper": "it compares the tags of its local list letter by letter: they are sent in capitals",
            "lower": "the same: they are sent in small letters",
        }
    ),
    "free_vend": Rule(
        values={"accept": "a start without an id tag, or with the station's own for nobody, is accepted"}
    ),
    "samples_in": Rule(values={"kwh": "energy samples labelled Wh, or not at all, are kWh"}),
    "meter_in": Rule(values={"kwh": "meterStart and meterStop are kWh"}),
    "register": Rule(values={"session": "the energy register counts from 0 in each session"}),
    "main_meter": Rule(values={"transaction": "samples of connector 0 belong to the only open transaction"}),
    "trigger_boot": Rule(values={"never": "TriggerMessage(BootNotification) makes it reboot: it is not asked"}),
    "read_configuration": Rule(values={"never": "it reboots when its configuration is read: it is not asked"}),
    "ping": Rule(values={"off": "it answers no WebSocket ping: none is sent, from its next connection on"}),
    "status_info": Rule(
        values={"ignore": "a status that differs from the last in its `info` alone is no change: it floods with them"}
    ),
    "boot_hold": Rule(
        low=0,
        high=3600,
        unit="s",
        meaning="commands wait so long after a connect without a BootNotification: one before makes it start over",
    ),
    "command_timeout": Rule(
        low=1, high=3600, unit="s", meaning="it answers commands late: they time out after so long"
    ),
    "start_failure": Rule(
        low=1,
        high=86_400,
        unit="s",
        meaning="an accepted remote start without a transaction, or stop without its end, for so long has failed",
    ),
    "signed_firmware": Rule(
        values={
            "yes": "it takes SignedUpdateFirmware, whatever its configuration tells",
            "no": "campaigns of firmware that do not insist on a signature send it UpdateFirmware",
        }
    ),
    "limit_zero": Rule(
        values={
            "pauses": "a limit of 0 pauses charging, whatever a probe of its model has shown",
            "ends": "a limit of 0 ends the transaction: it is never sent",
            "locks": "a limit of 0 pauses charging for good: it is never sent",
            "ignored": "a limit of 0 does nothing: it is never sent",
            "refused": "a limit of 0 is refused: it is never sent",
        }
    ),
    "limit_minimum": Rule(
        low=0, high=80, unit="A", meaning="the lowest limit that it takes as it is; what is lower is not sent"
    ),
    "profile_kinds": Rule(
        values={
            "absolute": "it takes absolute charging profiles alone",
            "no_relative": "it takes no relative charging profile",
            "no_recurring": "it takes no recurring charging profile",
        }
    ),
    "profile_unit": Rule(values={"A": "limits are sent to it in amperes alone", "W": "limits in watts alone"}),
    "profile_levels": Rule(low=0, high=1000, meaning="its highest stack level, whatever its configuration says"),
    "profile_periods": Rule(low=1, high=1000, meaning="how many periods it takes, whatever its configuration says"),
    "profile_count": Rule(low=1, high=1000, meaning="how many charging profiles it holds, whatever it says"),
    "profile_clear": Rule(
        values={
            "id": "it clears a charging profile by its id",
            "place": "it clears one by purpose, connector and stack level, not by its id",
            "all": "it clears all charging profiles or none: those that are wanted are set again",
        }
    ),
    "connectors": Rule(low=1, high=128, meaning="how many connectors it has, whatever its NumberOfConnectors says"),
}
"""Rule -> what it takes; the documentation's table is made from it."""
CHARGING: Final = tuple(name for name in RULES if name.startswith(("limit_", "profile_")))
"""Rules of smart charging (quirk 25): `shared.smartcharging.limits` reads them."""


def problem(name: str, value: str) -> str:
    """Return what is wrong with a rule; empty where nothing is. `none` is a value of every rule."""
    rule = RULES.get(name)
    if rule is None:
        return f"there is no rule {name[:64]!r}; there are: {', '.join(RULES)}"
    if value == NO_RULE or value in rule.values or (rule.is_number and _fits(rule, value)):
        return ""
    return f"{name} is not {value[:64]!r}; it may be: {rule.expectation}, {NO_RULE}"


def number_of(rules: dict[str, str], name: str) -> float:
    """Return the value of a rule that is a number; 0 where it is not set, or is none that it may be."""
    value = rules.get(name, "")
    return float(value) if value and value != NO_RULE and _fits(RULES[name], value) else 0.0


def _fits(rule: Rule, value: str) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    return math.isfinite(number) and rule.low <= number <= rule.high
