"""A station's configuration keys (OCPP 1.6 §9): the fleet's defaults, and what the CSMS changed on this station."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.ocpp.v16.datatypes import KeyValue
from shared.ocpp.v16.enums import ConfigurationStatus, Measurand


class Key(msgspec.Struct, frozen=True):
    """One key: its default, and what may be written to it."""

    default: str
    kind: str = "text"
    """`text`, `number`, `switch` or `measurands`."""
    readonly: bool = False
    reboot: bool = False


_MEASURANDS: Final = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC"

KEYS: Final[dict[str, Key]] = {
    "AllowOfflineTxForUnknownId": Key("true", "switch"),
    "AuthorizeRemoteTxRequests": Key("false", "switch"),
    "ClockAlignedDataInterval": Key("0", "number", readonly=True),
    "ConnectionTimeOut": Key("60", "number"),
    "ConnectorPhaseRotation": Key("NotApplicable", readonly=True),
    "GetConfigurationMaxKeys": Key("50", "number", readonly=True),
    "HeartbeatInterval": Key("300", "number"),
    "LocalAuthorizeOffline": Key("true", "switch"),
    "LocalPreAuthorize": Key("false", "switch"),
    "MeterValueSampleInterval": Key("60", "number"),
    "MeterValuesAlignedData": Key("", "measurands", readonly=True),
    "MeterValuesSampledData": Key(_MEASURANDS, "measurands"),
    "NumberOfConnectors": Key("1", "number", readonly=True),
    "ResetRetries": Key("1", "number", readonly=True),
    "StopTransactionOnEVSideDisconnect": Key("true", "switch", readonly=True),
    "StopTransactionOnInvalidId": Key("true", "switch"),
    "StopTxnAlignedData": Key("", "measurands", readonly=True),
    "StopTxnSampledData": Key("", "measurands", readonly=True),
    "SupportedFeatureProfiles": Key("Core,RemoteTrigger", readonly=True),
    "TransactionMessageAttempts": Key("3", "number"),
    "TransactionMessageRetryInterval": Key("60", "number"),
    "UnlockConnectorOnEVSideDisconnect": Key("true", "switch", readonly=True),
    "WebSocketPingInterval": Key("0", "number"),
    "AuthorizationKey": Key("", reboot=True),
}
_WRITE_ONLY: Final = "AuthorizationKey"
_KNOWN_MEASURANDS: Final = frozenset(Measurand)


class Configuration:
    """The keys of one station; holds only what differs from the defaults."""

    __slots__ = ("_values",)

    def __init__(self, **values: str) -> None:
        self._values = values

    def text(self, key: str) -> str:
        """Return a key's value; raises KeyError for an unknown one."""
        return self._values.get(key, KEYS[key].default)

    def number(self, key: str) -> int:
        """Return a numeric key's value."""
        return int(self.text(key))

    def switch(self, key: str) -> bool:
        """Return a boolean key's value."""
        return self.text(key) == "true"

    def set(self, key: str, value: str) -> None:
        """Set a key from inside, read-only or not."""
        self._values[key] = value

    def change(self, key: str, value: str) -> ConfigurationStatus:
        """Do what ChangeConfiguration asks (§5.3)."""
        known = KEYS.get(key)
        if known is None:
            return ConfigurationStatus.NOT_SUPPORTED
        value = value.strip()
        if known.readonly or not _fits(known.kind, value):
            return ConfigurationStatus.REJECTED
        self._values[key] = value.lower() if known.kind == "switch" else value
        return ConfigurationStatus.REBOOT_REQUIRED if known.reboot else ConfigurationStatus.ACCEPTED

    def report(self, keys: Sequence[str] | None) -> tuple[list[KeyValue], list[str]]:
        """Return the values of the keys asked for (all where none are), and those that are unknown (§5.8)."""
        wanted = keys or list(KEYS)
        known = [
            KeyValue(key=key, readonly=KEYS[key].readonly, value=None if key == _WRITE_ONLY else self.text(key))
            for key in wanted
            if key in KEYS
        ]
        return known, [key for key in wanted if key not in KEYS]


def _fits(kind: str, value: str) -> bool:
    if kind == "number":
        return value.isdigit() and len(value) < 10
    if kind == "switch":
        return value.lower() in ("true", "false")
    if kind == "measurands":
        return all(part.strip() in _KNOWN_MEASURANDS for part in value.split(",") if part.strip())
    return True
