"""A station's configuration (OCPP 1.6 §5.3, §5.8): its model's keys, what the CSMS changed, and how it deviates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ampstream.simulate.behaviours import PLAIN, Behaviour
from ampstream.simulate.keys import ALL, WRITE_ONLY, Changes, Keys, keys_of, overlaid
from shared.ocpp.messages import Response
from shared.ocpp.v16.datatypes import KeyValue
from shared.ocpp.v16.enums import ConfigurationStatus, Measurand
from shared.ocpp.v16.messages import GetConfigurationResponse

_KNOWN_MEASURANDS: Final = frozenset(measurand.value for measurand in Measurand)
_ALL_KEYS: Final = keys_of()


class Configuration:
    """The keys of one station; holds only what differs from the defaults."""

    __slots__ = ("_before", "_behaviour", "_keys", "_supported", "_values")

    def __init__(
        self,
        keys: Keys = _ALL_KEYS,
        measurands: frozenset[str] = _KNOWN_MEASURANDS,
        behaviour: Behaviour = PLAIN,
        **values: str,
    ) -> None:
        self._keys = overlaid(keys, behaviour.keys)
        self._supported = measurands if behaviour.measurands is None else measurands & behaviour.measurands
        self._behaviour = behaviour
        self._values = values | dict(behaviour.values)
        self._before: dict[str, str] | None = None
        """Of keys that go back: what they were."""

    def text(self, key: str) -> str:
        """Return a key's value, the standard's default for one that this model lacks; raises KeyError for no key."""
        value = self._values.get(key)
        return (self._keys.get(key) or ALL[key]).default if value is None else value

    def number(self, key: str) -> int:
        """Return a numeric key's value."""
        return int(self.text(key))

    def switch(self, key: str) -> bool:
        """Return a boolean key's value."""
        return self.text(key) == "true"

    def has(self, profile: str) -> bool:
        """Tell whether the station has a feature profile (§3.3)."""
        return profile in self.text("SupportedFeatureProfiles").split(",")

    def set(self, key: str, value: str) -> None:
        """Set a key from inside, read-only or not."""
        self._values[key] = value

    def measurands(self, key: str) -> str:
        """Return the measurands of a key that are really sampled: what is only pretended is not among them."""
        text = self.text(key)
        if self._behaviour.measurands is None:
            return text
        return ",".join(part for part in _parts(text) if part in self._supported)

    def upgrade(self, changes: Changes) -> None:
        """Take the keys of a new firmware; values of keys that it lacks are gone."""
        self._keys = overlaid(self._keys, changes)
        self._values = {key: value for key, value in self._values.items() if key in self._keys}

    # --- ChangeConfiguration

    def change(self, key: str, value: str) -> ConfigurationStatus:
        """Do what ChangeConfiguration asks (§5.3)."""
        known = self._keys.get(key)
        if known is None:
            return ConfigurationStatus.NOT_SUPPORTED
        value = value.strip()
        if known.readonly or not self._fits(known.kind, key, value):
            return ConfigurationStatus.REJECTED
        if not _in(key, self._behaviour.ignores):
            self._store(key, self._stored(known.kind, value))
        return ConfigurationStatus.REBOOT_REQUIRED if known.reboot else ConfigurationStatus.ACCEPTED

    def _store(self, key: str, value: str) -> None:
        if self.reverts(key):
            self._before = self._before or {}
            self._before.setdefault(key, self.text(key))
        self._values[key] = value

    def _stored(self, kind: str, value: str) -> str:
        if kind == "switch":
            return value.lower()
        if kind == "measurands" and self._behaviour.unsupported == "drop":
            return ",".join(part for part in _parts(value) if part in self._supported)
        return value

    def _fits(self, kind: str, key: str, value: str) -> bool:
        if kind == "number":
            return value.isdigit() and len(value) < 10
        if kind == "switch":
            return value.lower() in ("true", "false")
        if kind == "measurands":
            return self._measurable(key, _parts(value))
        return True

    def _measurable(self, key: str, wanted: list[str]) -> bool:
        """One that cannot be measured refuses the whole list (errata 3.1), and so does one too many (§9.1.18)."""
        longest = self._keys.get(f"{key}MaxLength")
        if longest is not None and len(wanted) > int(longest.default):
            return False
        supported = self._supported if self._behaviour.unsupported == "refuse" else _KNOWN_MEASURANDS
        return all(part in supported for part in wanted)

    # --- values that do not stay

    def reverts(self, key: str) -> bool:
        """Tell whether a changed key goes back by itself."""
        return _in(key, self._behaviour.reverts)

    def revert(self, key: str | None = None) -> None:
        """Put a key back, all that go back without one."""
        for name in list(self._before or ()) if key is None else [key]:
            if self._before is not None and name in self._before:
                self._values[name] = self._before.pop(name)

    # --- GetConfiguration

    def report(self, keys: Sequence[str] | None) -> Response | dict[str, Any]:
        """Answer GetConfiguration (§5.8): the keys asked for, all where none are, and those that are unknown."""
        wanted = keys or list(self._keys)
        known = [
            KeyValue(key=key, readonly=self._keys[key].readonly, value=self._told(key))
            for key in wanted
            if key in self._keys
        ]
        unknown = tuple(key for key in wanted if key not in self._keys)
        if self._behaviour.tells_loosely:
            return self._loose(known)
        return GetConfigurationResponse(configuration_key=tuple(known), unknown_key=unknown or None)

    def _told(self, key: str) -> str | None:
        return None if key == WRITE_ONLY or _in(key, self._behaviour.valueless) else self.text(key)

    def _loose(self, known: list[KeyValue]) -> dict[str, Any]:
        """Numbers and booleans instead of strings, null for no value, and never an unknownKey (quirk 23)."""
        listed = [{"key": one.key, "readonly": one.readonly, "value": self._raw(one)} for one in known]
        return {"configurationKey": listed}

    def _raw(self, told: KeyValue) -> str | int | bool | None:
        kind, value = self._keys[told.key].kind, told.value
        if value is None:
            return None
        if kind == "number":
            return int(value)
        return value == "true" if kind == "switch" else value


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _in(key: str, names: frozenset[str]) -> bool:
    return key in names or "*" in names
