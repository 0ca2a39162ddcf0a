"""GetConfiguration and ChangeConfiguration in the words of 1.6 (§5.8, §5.3), read as loosely as stations write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from shared.ocpp.v16.messages import ChangeConfigurationRequest, GetConfigurationRequest
from shared.ocpp.versions import OCPP16
from shared.records.commands import CommandRecord
from shared.records.configuration import KeyValue
from shared.records.drift_rules import masked
from shared.records.models import Capabilities
from workers.handlers.outgoing import PREFETCHES
from workers.services import commands
from workers.services.configuration import coercion, expecting, reading, rules
from workers.services.configuration.words import Answer, Words, speaks
from workers.store.draft import Draft
from workers.store.wants import WantDriftRules, WantSnapshot, WantTemplates

_decode = msgspec.json.Decoder(dict[str, Any]).decode

MAX_KEYS: Final = 5000
"""More than any station has; what comes beyond is left out before it is looked at."""
STANDARD_KEYS: Final = (
    "GetConfigurationMaxKeys",  # First: it says how many the next list may hold.
    "SupportedFeatureProfiles",
    "NumberOfConnectors",
    "HeartbeatInterval",
    "ConnectionTimeOut",
    "ResetRetries",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
    "AuthorizeRemoteTxRequests",
    "LocalAuthorizeOffline",
    "LocalPreAuthorize",
    "StopTransactionOnEVSideDisconnect",
    "StopTransactionOnInvalidId",
    "UnlockConnectorOnEVSideDisconnect",
    "ConnectorPhaseRotation",
    "MeterValuesSampledData",
    "MeterValueSampleInterval",
    "MeterValuesAlignedData",
    "ClockAlignedDataInterval",
    "StopTxnSampledData",
    "StopTxnAlignedData",
    "MeterValuesSampledDataMaxLength",
    "MeterValuesAlignedDataMaxLength",
    "StopTxnSampledDataMaxLength",
    "StopTxnAlignedDataMaxLength",
    "ConnectorPhaseRotationMaxLength",
    "SupportedFeatureProfilesMaxLength",
    "AllowOfflineTxForUnknownId",
    "AuthorizationCacheEnabled",
    "BlinkRepeat",
    "LightIntensity",
    "MaxEnergyOnInvalidId",
    "MinimumStatusDuration",
    "WebSocketPingInterval",
    "LocalAuthListEnabled",
    "LocalAuthListMaxLength",
    "SendLocalListMaxLength",
    "ReserveConnectorZeroSupported",
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleAllowedChargingRateUnit",
    "ChargingScheduleMaxPeriods",
    "MaxChargingProfilesInstalled",
    "ConnectorSwitch3to1PhaseSupported",
    "SupportedFileTransferProtocols",  # Errata 4.0 and the security whitepaper from here on.
    "SecurityProfile",
    "AdditionalRootCertificateCheck",
    "CertificateSignedMaxChain",
    "CertificateStoreMaxLength",
    "CpoName",
)
"""Configuration keys of 1.6 (§9) and of its security whitepaper, without AuthorizationKey: it is written only."""


LIMITS: Final = (
    *(name for name in STANDARD_KEYS if name.endswith("MaxLength")),
    "GetConfigurationMaxKeys",
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleMaxPeriods",
    "MaxChargingProfilesInstalled",
    "CertificateSignedMaxChain",
)
"""Keys that say how much of something the station takes."""
MAX_LIMIT: Final = 1_000_000
MAX_CONNECTORS: Final = 128


def _payload(names: Sequence[str]) -> dict[str, Any]:
    return {"key": list(names)} if names else {}


def read(response: Any) -> Answer | None:
    """Return what an answer says, of any JSON; None where no list of keys is in it."""
    if not isinstance(response, dict):
        return None
    listed, oddities = _listed(response.get("configurationKey"), "configurationKey")
    unknown, more = _listed(response.get("unknownKey"), "unknownKey")
    oddities += more
    keys: dict[str, KeyValue] = {}
    for item in listed[:MAX_KEYS]:
        name = coercion.text(item.get("key")) if isinstance(item, dict) else None
        if not name or name in keys:
            oddities.append("key" if not name else "twice")
            continue
        keys[name[: coercion.MAX_NAME]] = _one(item, oddities)
    names = tuple(name for one in unknown[:MAX_KEYS] if (name := coercion.text(one)))
    return Answer(keys, names, tuple(dict.fromkeys(oddities)))


def capabilities(keys: Mapping[str, KeyValue]) -> Capabilities:
    """Return what the keys say that the station can do; numbers that no station has count as not told (quirk 21)."""
    found = {name.lower(): one.value for name, one in keys.items()}
    profiles = (part.strip() for part in (found.get("supportedfeatureprofiles") or "").split(","))
    limits = {name: coercion.number(found.get(name.lower()), 0, MAX_LIMIT) for name in LIMITS}
    return Capabilities(
        profiles=tuple(dict.fromkeys(one for one in profiles if one)),
        connectors=coercion.number(found.get("numberofconnectors"), 1, MAX_CONNECTORS),
        limits={name: limit for name, limit in limits.items() if limit is not None},
    )


def _one(item: dict[str, Any], oddities: list[str]) -> KeyValue:
    value, readonly = item.get("value"), item.get("readonly")
    if not (value is None or isinstance(value, str)):
        oddities.append("value")
    if not isinstance(readonly, bool):
        oddities.append("readonly")
    return KeyValue(coercion.text(value), coercion.truth(readonly))


def _listed(found: Any, field: str) -> tuple[list[Any], list[str]]:
    if found is None:
        return [], []  # Both lists are optional, and one without the other is usual (quirk 23).
    if isinstance(found, list):
        return found, []
    return [found], [field]


@commands.keeps(GetConfigurationRequest.action)
def _kept(draft: Draft, command: CommandRecord, response: Any) -> Any:
    """Keep no secret of an answer; what a read of ours found is kept as the station's configuration."""
    if command.origin == reading.ORIGIN:
        return {"kept": "as the station's configuration"}
    found = read(response)
    if found is None:
        return None
    shown = masked(found.keys, rules.secrets(draft))
    keys = [
        {"key": name, "readonly": one.readonly} | ({} if one.value is None else {"value": one.value})
        for name, one in shown.items()
    ]
    return {"configurationKey": keys, "unknownKey": list(found.unknown)}


@commands.when_done(ChangeConfigurationRequest.action)
def _changed(draft: Draft, command: CommandRecord) -> None:
    if command.state == "accepted":
        payload = _decode(command.payload)
        expecting.expect(draft, str(payload.get("key", "")), str(payload.get("value", "")))


PREFETCHES[b'"configurationKey"'] = (WantSnapshot(), WantDriftRules(), WantTemplates())
speaks(
    OCPP16.subprotocol,
    Words(
        action=GetConfigurationRequest.action,
        payload=_payload,
        read=read,
        capabilities=capabilities,
        max_keys="GetConfigurationMaxKeys",
        standard_keys=STANDARD_KEYS,
    ),
)
