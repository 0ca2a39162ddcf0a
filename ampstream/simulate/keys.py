"""The configuration keys that stations have (OCPP 1.6 §9; security white paper §2), by feature profile.

A model says which profiles it has; `keys_of` makes its table. Whatever differs from that table on one station (a quirk,
a new firmware) is laid over it with `overlaid`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec


class Key(msgspec.Struct, frozen=True):
    """One key: its default, and what may be written to it."""

    default: str
    kind: str = "text"
    """`text`, `number`, `switch` or `measurands`."""
    readonly: bool = False
    reboot: bool = False
    """A change counts from the next boot on: it is answered RebootRequired (§5.3)."""


Keys: TypeAlias = Mapping[str, Key]
Changes: TypeAlias = Mapping[str, Key | None]
"""Keys that are added or replaced; None takes one away."""

WRITE_ONLY: Final = "AuthorizationKey"

_MEASURANDS: Final = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC"


def _given(default: str, kind: str = "number") -> Key:
    return Key(default, kind, readonly=True)


_CORE: Final[Keys] = {
    "AllowOfflineTxForUnknownId": Key("true", "switch"),
    "AuthorizeRemoteTxRequests": Key("false", "switch"),
    "ClockAlignedDataInterval": Key("0", "number"),
    "ConnectionTimeOut": Key("60", "number"),
    "ConnectorPhaseRotation": _given("NotApplicable", "text"),
    "GetConfigurationMaxKeys": _given("50"),
    "HeartbeatInterval": Key("300", "number"),
    "LocalAuthorizeOffline": Key("true", "switch"),
    "LocalPreAuthorize": Key("false", "switch"),
    "MeterValueSampleInterval": Key("60", "number"),
    "MeterValuesAlignedData": Key("", "measurands"),
    "MeterValuesSampledData": Key(_MEASURANDS, "measurands"),
    "NumberOfConnectors": _given("1"),
    "ResetRetries": _given("1"),
    "StopTransactionOnEVSideDisconnect": _given("true", "switch"),
    "StopTransactionOnInvalidId": Key("true", "switch"),
    "StopTxnAlignedData": Key("", "measurands"),
    "StopTxnSampledData": Key("", "measurands"),
    "SupportedFeatureProfiles": _given("Core", "text"),
    "TransactionMessageAttempts": Key("3", "number"),
    "TransactionMessageRetryInterval": Key("60", "number"),
    "UnlockConnectorOnEVSideDisconnect": _given("true", "switch"),
    "WebSocketPingInterval": Key("0", "number"),
    # The security white paper: every station of the fleet has its profile 1.
    "AuthorizationKey": Key("", reboot=True),
    "CertificateStoreMaxLength": _given("8"),
    "CpoName": Key(""),
    "SecurityProfile": Key("1", "number", reboot=True),
}

_PROFILES: Final[Mapping[str, Keys]] = {
    "Core": _CORE,
    "FirmwareManagement": {"SupportedFileTransferProtocols": _given("HTTP,HTTPS,FTP", "text")},
    "LocalAuthListManagement": {
        "LocalAuthListEnabled": Key("true", "switch"),
        "LocalAuthListMaxLength": _given("500"),
        "SendLocalListMaxLength": _given("100"),
    },
    "Reservation": {"ReserveConnectorZeroSupported": _given("true", "switch")},
    "SmartCharging": {
        "ChargeProfileMaxStackLevel": _given("8"),
        "ChargingScheduleAllowedChargingRateUnit": _given("Current,Power", "text"),
        "ChargingScheduleMaxPeriods": _given("24"),
        "MaxChargingProfilesInstalled": _given("10"),
    },
    "RemoteTrigger": {},
}

ALL: Final[Keys] = {name: key for keys in _PROFILES.values() for name, key in keys.items()}
EVERY_PROFILE: Final = tuple(_PROFILES)


def keys_of(profiles: tuple[str, ...] = EVERY_PROFILE, changes: Changes | None = None) -> Keys:
    """Return the keys of a station with these feature profiles (§3.3), and a model's changes to them."""
    keys = {name: key for profile in profiles for name, key in _PROFILES[profile].items()}
    keys["SupportedFeatureProfiles"] = _given(",".join(profiles), "text")
    return overlaid(keys, changes or {})


def overlaid(keys: Keys, changes: Changes) -> Keys:
    """Return the keys with changes; the same mapping where there are none, for a fleet shares it."""
    if not changes:
        return keys
    return {name: key for name, key in {**keys, **changes}.items() if key is not None}
