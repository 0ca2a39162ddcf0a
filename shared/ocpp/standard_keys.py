"""The configuration keys of OCPP 1.6 that a CSMS may meet: their types, and who may write them.

From section 9 of the specification and from section 7 of the security whitepaper, edition 2. Keys are case-insensitive
(CiString50).
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from .v16.enums import Measurand, Phase

KeyType = Literal["boolean", "integer", "list", "text"]
Access = Literal["read", "write", "both"]
MAX_KEY: Final = 50
MAX_VALUE: Final = 500


class StandardKey(msgspec.Struct, frozen=True):
    """A key as the standard has it; `unit` for people."""

    name: str
    type: KeyType
    access: Access = "both"
    unit: str = ""


_READ: Final[Access] = "read"

STANDARD_KEYS: Final[dict[str, StandardKey]] = {
    key.name.lower(): key
    for key in (
        # 9.1 Core
        StandardKey("AllowOfflineTxForUnknownId", "boolean"),
        StandardKey("AuthorizationCacheEnabled", "boolean"),
        StandardKey("AuthorizeRemoteTxRequests", "boolean"),
        StandardKey("BlinkRepeat", "integer"),
        StandardKey("ClockAlignedDataInterval", "integer", unit="s"),
        StandardKey("ConnectionTimeOut", "integer", unit="s"),
        StandardKey("ConnectorPhaseRotation", "list"),
        StandardKey("ConnectorPhaseRotationMaxLength", "integer", _READ),
        StandardKey("GetConfigurationMaxKeys", "integer", _READ),
        StandardKey("HeartbeatInterval", "integer", unit="s"),
        StandardKey("LightIntensity", "integer", unit="%"),
        StandardKey("LocalAuthorizeOffline", "boolean"),
        StandardKey("LocalPreAuthorize", "boolean"),
        StandardKey("MaxEnergyOnInvalidId", "integer", unit="Wh"),
        StandardKey("MeterValuesAlignedData", "list"),
        StandardKey("MeterValuesAlignedDataMaxLength", "integer", _READ),
        StandardKey("MeterValuesSampledData", "list"),
        StandardKey("MeterValuesSampledDataMaxLength", "integer", _READ),
        StandardKey("MeterValueSampleInterval", "integer", unit="s"),
        StandardKey("MinimumStatusDuration", "integer", unit="s"),
        StandardKey("NumberOfConnectors", "integer", _READ),
        StandardKey("ResetRetries", "integer"),
        StandardKey("StopTransactionOnEVSideDisconnect", "boolean"),
        StandardKey("StopTransactionOnInvalidId", "boolean"),
        StandardKey("StopTxnAlignedData", "list"),
        StandardKey("StopTxnAlignedDataMaxLength", "integer", _READ),
        StandardKey("StopTxnSampledData", "list"),
        StandardKey("StopTxnSampledDataMaxLength", "integer", _READ),
        StandardKey("SupportedFeatureProfiles", "list", _READ),
        StandardKey("SupportedFeatureProfilesMaxLength", "integer", _READ),
        StandardKey("TransactionMessageAttempts", "integer"),
        StandardKey("TransactionMessageRetryInterval", "integer", unit="s"),
        StandardKey("UnlockConnectorOnEVSideDisconnect", "boolean"),
        StandardKey("WebSocketPingInterval", "integer", unit="s"),
        # 9.2 Local Auth List Management
        StandardKey("LocalAuthListEnabled", "boolean"),
        StandardKey("LocalAuthListMaxLength", "integer", _READ),
        StandardKey("SendLocalListMaxLength", "integer", _READ),
        # 9.3 Reservation
        StandardKey("ReserveConnectorZeroSupported", "boolean", _READ),
        # 9.4 Smart Charging
        StandardKey("ChargeProfileMaxStackLevel", "integer", _READ),
        StandardKey("ChargingScheduleAllowedChargingRateUnit", "list", _READ),
        StandardKey("ChargingScheduleMaxPeriods", "integer", _READ),
        StandardKey("ConnectorSwitch3to1PhaseSupported", "boolean", _READ),
        StandardKey("MaxChargingProfilesInstalled", "integer", _READ),
        # Security whitepaper, section 7
        StandardKey("AdditionalRootCertificateCheck", "boolean", _READ),
        StandardKey("AuthorizationKey", "text", "write"),
        StandardKey("CertificateSignedMaxChainSize", "integer", _READ),
        StandardKey("CertificateStoreMaxLength", "integer", _READ),
        StandardKey("CpoName", "text"),
        StandardKey("SecurityProfile", "integer"),
    )
}
"""Name in lower case -> key."""

METER_LISTS: Final[dict[str, str]] = {
    "sampled": "MeterValuesSampledData",
    "aligned": "MeterValuesAlignedData",
    "stop_sampled": "StopTxnSampledData",
    "stop_aligned": "StopTxnAlignedData",
}
"""What is asked of a station's meter data -> the key that lists its measurands."""
METER_INTERVALS: Final[dict[str, str]] = {
    "sampled_interval_s": "MeterValueSampleInterval",
    "aligned_interval_s": "ClockAlignedDataInterval",
}
"""The same for their intervals."""
LIMIT_SUFFIX: Final = "MaxLength"
"""`<key>MaxLength` says how many items a list may have (section 5.3)."""
MEASURANDS: Final = frozenset(one.value.lower() for one in Measurand)
PHASES: Final = frozenset(one.value.lower() for one in Phase)


def standard_key(name: str) -> StandardKey | None:
    """Return the standard's key of this name, in any case; None where it has none."""
    return STANDARD_KEYS.get(name.lower())


def spelt(name: str) -> str:
    """Return the name of a key as the standard spells it; one that the standard has not, as it is."""
    known = standard_key(name)
    return known.name if known is not None else name


def problem_of(key: StandardKey, value: str) -> str:
    """Return what is wrong with a value that is to be written to a key; empty: nothing."""
    if key.access == "read":
        return "is read-only in the standard: no station lets it be written"
    if key.type == "boolean" and value.strip().lower() not in ("true", "false"):
        return "must be `true` or `false`"
    if key.type == "integer" and not (value.strip().isdecimal() and value.isascii() and int(value) < 2**31):
        return f"must be a whole number{f' ({key.unit})' if key.unit else ''} from 0 to 2147483647"
    return ""


def measurand_problem(text: str) -> str:
    """Return what is wrong with an item of a list of measurands; empty where it is one, with a phase or without.

    A phase follows after a dot, e.g. `Voltage.L1` (section 9.1.17).
    """
    name = text.lower()
    head, _, tail = name.rpartition(".")
    if name in MEASURANDS or (head in MEASURANDS and tail in PHASES):
        return ""
    return "is no measurand of OCPP 1.6, nor one with a phase such as `Voltage.L1`"
