"""What a simulated station answers to the CSMS's calls (OCPP 1.6 §5): Core and triggers; more in `commands`.

Each answer may bring something that follows it, run once the answer is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from ampstream.simulate.commands import COMMANDS, Answerers, require
from ampstream.simulate.refusals import refuse
from shared.ocpp.errors import NotImplementedAction, OccurrenceConstraintViolation
from shared.ocpp.frames import Payload
from shared.ocpp.messages import Request, Response
from shared.ocpp.v16 import enums
from shared.ocpp.v16 import messages as m

if TYPE_CHECKING:
    from ampstream.simulate.chargepoint import ChargePoint
    from ampstream.simulate.messenger import Then
    from ampstream.simulate.session import Connector

_REACTION_S: Final = 1.0
"""Until a station acts on what it accepted, simulated."""


def answer(cp: ChargePoint, request: Request[Any]) -> tuple[Payload, Then]:
    """Return the response and what follows it; raises `OcppError` for a CALLERROR."""
    refusal = cp.behaviour.refusal(request.action)
    refused = refuse(request, refusal) if refusal is not None else None
    if refused is not None:
        return refused, None
    answerer = _ANSWERS.get(type(request))
    if answerer is None:
        raise NotImplementedAction(f"{request.action} is not implemented by this station")
    require(cp, request)
    return answerer(cp, request)


def falls_over(actions: frozenset[str], request: Request[Any]) -> bool:
    """Tell whether a request is one of `actions`; a trigger may stand with what it asks for (`TriggerMessage:X`)."""
    if not actions:
        return False
    wanted = getattr(request, "requested_message", "")
    return request.action in actions or f"{request.action}:{wanted}" in actions


def _trigger(cp: ChargePoint, request: m.TriggerMessageRequest) -> tuple[Response, Then]:
    """§5.17."""
    return m.TriggerMessageResponse(status=_triggered(cp, request)), _effect(cp, request)


def _extended_trigger(cp: ChargePoint, request: m.ExtendedTriggerMessageRequest) -> tuple[Response, Then]:
    """White paper A05 and F06, in the same words."""
    status = enums.TriggerMessageStatusEnumType(_triggered(cp, request).value)
    return m.ExtendedTriggerMessageResponse(status=status), _effect(cp, request)


_Trigger = m.TriggerMessageRequest | m.ExtendedTriggerMessageRequest


def _triggered(cp: ChargePoint, request: _Trigger) -> enums.TriggerMessageStatus:
    known = request.connector_id in (None, 0) or cp.find(request.connector_id) is not None
    if not known:
        return enums.TriggerMessageStatus.REJECTED
    meant = request.requested_message.value in _TRIGGERS
    return enums.TriggerMessageStatus.ACCEPTED if meant else enums.TriggerMessageStatus.NOT_IMPLEMENTED


def _effect(cp: ChargePoint, request: _Trigger) -> Then:
    if _triggered(cp, request) != enums.TriggerMessageStatus.ACCEPTED:
        return None
    effect = _TRIGGERS[request.requested_message.value]
    one = cp.find(request.connector_id)
    extended = isinstance(request, m.ExtendedTriggerMessageRequest)
    return lambda: effect(cp, cp.connectors if one is None else (one,), extended)


def _tell_statuses(cp: ChargePoint, connectors: tuple[Connector, ...], _extended: bool) -> None:
    cp.report_statuses(connectors, itself=connectors is cp.connectors)


def _read_meters(cp: ChargePoint, connectors: tuple[Connector, ...], _extended: bool) -> None:
    for connector in connectors:
        if connector.session is not None:
            connector.read_meter(enums.ReadingContext.TRIGGER)
        else:
            cp.request(connector.idle_reading(), _ignore)


_TRIGGERS: Final[dict[str, Callable[[ChargePoint, tuple[Connector, ...], bool], None]]] = {
    "BootNotification": lambda cp, _, __: cp.boot(),
    "DiagnosticsStatusNotification": lambda cp, _, __: cp.tell(
        m.DiagnosticsStatusNotificationRequest(status=cp.features.upkeep.diagnostics)
    ),
    "FirmwareStatusNotification": lambda cp, _, extended: cp.tell(cp.features.upkeep.firmware_report(signed=extended)),
    "Heartbeat": lambda cp, _, __: cp.request(m.HeartbeatRequest(), _ignore),
    "LogStatusNotification": lambda cp, _, __: cp.tell(cp.features.upkeep.log_report()),
    "MeterValues": _read_meters,
    "SignChargePointCertificate": lambda cp, _, __: cp.tell(
        m.SignCertificateRequest(csr=cp.features.identity.request())
    ),
    "StatusNotification": _tell_statuses,
}


def _remote_start(cp: ChargePoint, request: m.RemoteStartTransactionRequest) -> tuple[Response, Then]:
    """§5.11; without a connector the station chooses one that is free. Only a transaction's profile may come along."""
    one, profile = cp.find(request.connector_id), request.charging_profile
    if profile is not None and profile.charging_profile_purpose != enums.ChargingProfilePurposeType.TX_PROFILE:
        profile = None
    wanted = cp.connectors if request.connector_id is None else (one,) if one is not None else ()
    taken = any(connector.remote_start(request.id_tag, profile) for connector in wanted)
    status = enums.RemoteStartStopStatus.ACCEPTED if taken else enums.RemoteStartStopStatus.REJECTED
    return m.RemoteStartTransactionResponse(status=status), None


def _remote_stop(cp: ChargePoint, request: m.RemoteStopTransactionRequest) -> tuple[Response, Then]:
    """§5.12."""
    for connector in cp.connectors:
        session = connector.session
        if session is not None and session.charging.transaction_id == request.transaction_id:
            accepted = enums.RemoteStartStopStatus.ACCEPTED
            then = _soon(cp, lambda c=connector: c.stop(enums.Reason.REMOTE))  # type: ignore[misc]
            return m.RemoteStopTransactionResponse(status=accepted), then
    return m.RemoteStopTransactionResponse(status=enums.RemoteStartStopStatus.REJECTED), None


def _reset(cp: ChargePoint, request: m.ResetRequest) -> tuple[Response, Then]:
    """§5.14."""
    reason = enums.Reason.SOFT_RESET if request.type == enums.ResetType.SOFT else enums.Reason.HARD_RESET
    return m.ResetResponse(status=enums.ResetStatus.ACCEPTED), _soon(cp, lambda: cp.reboot(reason))


def _unlock(cp: ChargePoint, request: m.UnlockConnectorRequest) -> tuple[Response, Then]:
    """§5.18: a running transaction ends first."""
    connector = cp.find(request.connector_id)
    if connector is None:
        return m.UnlockConnectorResponse(status=enums.UnlockStatus.NOT_SUPPORTED), None
    then = _soon(cp, lambda: connector.stop(enums.Reason.UNLOCK_COMMAND))
    return m.UnlockConnectorResponse(status=enums.UnlockStatus.UNLOCKED), then


def _change_availability(cp: ChargePoint, request: m.ChangeAvailabilityRequest) -> tuple[Response, Then]:
    """§5.2; connector 0 is the station and all its connectors."""
    operative = request.type == enums.AvailabilityType.OPERATIVE
    one = cp.find(request.connector_id)
    if request.connector_id == 0:
        cp.operative = operative
        connectors = cp.connectors
    elif one is not None:
        connectors = (one,)
    else:
        return m.ChangeAvailabilityResponse(status=enums.AvailabilityStatus.REJECTED), None
    done = [connector.set_operative(operative) for connector in connectors]
    status = enums.AvailabilityStatus.ACCEPTED if all(done) else enums.AvailabilityStatus.SCHEDULED
    return m.ChangeAvailabilityResponse(status=status), cp.status_changed


def _get_configuration(cp: ChargePoint, request: m.GetConfigurationRequest) -> tuple[Payload, Then]:
    """§5.8; more keys at once than GetConfigurationMaxKeys are refused (§9.1.9)."""
    if len(request.key or ()) > cp.configuration.number("GetConfigurationMaxKeys"):
        raise OccurrenceConstraintViolation("key holds more than GetConfigurationMaxKeys")
    return cp.configuration.report(request.key), None


def _change_configuration(cp: ChargePoint, request: m.ChangeConfigurationRequest) -> tuple[Response, Then]:
    """§5.3; a new heartbeat interval counts from now."""
    status = cp.configuration.change(request.key, request.value)
    return m.ChangeConfigurationResponse(status=status), _after_change(cp, request.key, status)


def _after_change(cp: ChargePoint, key: str, status: enums.ConfigurationStatus) -> Then:
    behaviour = cp.behaviour
    if status == enums.ConfigurationStatus.REBOOT_REQUIRED and behaviour.boots_for_keys:
        return _soon(cp, lambda: cp.reboot(enums.Reason.REBOOT))
    if status not in (enums.ConfigurationStatus.ACCEPTED, enums.ConfigurationStatus.REBOOT_REQUIRED):
        return None
    if behaviour.reverts_after_s and cp.configuration.reverts(key):
        cp.world.after(behaviour.reverts_after_s, lambda: cp.configuration.revert(key))
    return cp.schedule_heartbeat if key == "HeartbeatInterval" else None


def _data_transfer(cp: ChargePoint, request: m.DataTransferRequest) -> tuple[Response, Then]:
    """§5.6: the fleet speaks no vendor's dialect."""
    known = request.vendor_id == cp.model.vendor
    status = enums.DataTransferStatus
    return m.DataTransferResponse(status=status.UNKNOWN_MESSAGE_ID if known else status.UNKNOWN_VENDOR_ID), None


def _clear_cache(_cp: ChargePoint, _request: m.ClearCacheRequest) -> tuple[Response, Then]:
    """§5.4: there is nothing in the cache."""
    return m.ClearCacheResponse(status=enums.ClearCacheStatus.ACCEPTED), None


def _soon(cp: ChargePoint, act: Callable[[], None]) -> Then:
    def then() -> None:
        cp.world.after(_REACTION_S, act)

    return then


def _ignore(_response: Response | None) -> None:
    """Need nothing of an answer."""


_ANSWERS: Final = COMMANDS | cast(
    "Answerers",
    {
        m.ChangeAvailabilityRequest: _change_availability,
        m.ChangeConfigurationRequest: _change_configuration,
        m.ClearCacheRequest: _clear_cache,
        m.DataTransferRequest: _data_transfer,
        m.ExtendedTriggerMessageRequest: _extended_trigger,
        m.GetConfigurationRequest: _get_configuration,
        m.RemoteStartTransactionRequest: _remote_start,
        m.RemoteStopTransactionRequest: _remote_stop,
        m.ResetRequest: _reset,
        m.TriggerMessageRequest: _trigger,
        m.UnlockConnectorRequest: _unlock,
    },
)
