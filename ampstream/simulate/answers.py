"""What a simulated station answers to the CSMS's calls (OCPP 1.6 §5); what it does not do is NotImplemented.

Each answer may bring something that follows it, run once the answer is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from shared.ocpp.errors import NotImplementedAction
from shared.ocpp.messages import Request, Response
from shared.ocpp.v16 import enums
from shared.ocpp.v16 import messages as m

if TYPE_CHECKING:
    from ampstream.simulate.chargepoint import ChargePoint
    from ampstream.simulate.messenger import Then
    from ampstream.simulate.session import Connector

_REACTION_S: Final = 1.0
"""Until a station acts on what it accepted, simulated."""


def answer(cp: ChargePoint, request: Request[Any]) -> tuple[Response, Then]:
    """Return the response and what follows it; raises `NotImplementedAction`."""
    answerer = _ANSWERS.get(type(request))
    if answerer is None:
        raise NotImplementedAction(f"{request.action} is not implemented by this station")
    return answerer(cp, request)


def _find(cp: ChargePoint, number: int | None) -> Connector | None:
    return next((c for c in cp.connectors if c.number == number), None)


def _trigger(cp: ChargePoint, request: m.TriggerMessageRequest) -> tuple[Response, Then]:
    """§5.17; the extended one of the white paper (A05) asks in the same words."""
    then = _triggered(cp, request.requested_message, request.connector_id)
    known = request.connector_id is None or _find(cp, request.connector_id) is not None
    status = enums.TriggerMessageStatus
    if then is None:
        return m.TriggerMessageResponse(status=status.NOT_IMPLEMENTED), None
    if not known:
        return m.TriggerMessageResponse(status=status.REJECTED), None
    return m.TriggerMessageResponse(status=status.ACCEPTED), then


def _triggered(cp: ChargePoint, wanted: enums.MessageTrigger, number: int | None) -> Then:
    one = _find(cp, number)
    connectors = (one,) if one is not None else cp.connectors
    if wanted == enums.MessageTrigger.BOOT_NOTIFICATION:
        return cp.boot
    if wanted == enums.MessageTrigger.HEARTBEAT:
        return lambda: cp.request(m.HeartbeatRequest(), _ignore)
    if wanted == enums.MessageTrigger.STATUS_NOTIFICATION:
        return lambda: cp.report_statuses(connectors, itself=not number)
    if wanted == enums.MessageTrigger.METER_VALUES:
        return lambda: _read_meters(cp, connectors)
    return None


def _read_meters(cp: ChargePoint, connectors: tuple[Connector, ...]) -> None:
    for connector in connectors:
        if connector.session is not None:
            connector.read_meter(enums.ReadingContext.TRIGGER)
        else:
            cp.request(connector.idle_reading(), _ignore)


def _remote_start(cp: ChargePoint, request: m.RemoteStartTransactionRequest) -> tuple[Response, Then]:
    """§5.11; without a connector the station chooses one that is free."""
    wanted = cp.connectors if request.connector_id is None else (_find(cp, request.connector_id),)
    taken = any(connector.remote_start(request.id_tag) for connector in wanted[:1] if connector is not None)
    if not taken and request.connector_id is None:
        taken = any(connector.remote_start(request.id_tag) for connector in cp.connectors[1:])
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
    connector = _find(cp, request.connector_id)
    if connector is None:
        return m.UnlockConnectorResponse(status=enums.UnlockStatus.NOT_SUPPORTED), None
    then = _soon(cp, lambda: connector.stop(enums.Reason.UNLOCK_COMMAND))
    return m.UnlockConnectorResponse(status=enums.UnlockStatus.UNLOCKED), then


def _change_availability(cp: ChargePoint, request: m.ChangeAvailabilityRequest) -> tuple[Response, Then]:
    """§5.2; connector 0 is the station and all its connectors."""
    operative = request.type == enums.AvailabilityType.OPERATIVE
    one = _find(cp, request.connector_id)
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


def _get_configuration(cp: ChargePoint, request: m.GetConfigurationRequest) -> tuple[Response, Then]:
    """§5.8."""
    known, unknown = cp.configuration.report(request.key)
    response = m.GetConfigurationResponse(configuration_key=tuple(known), unknown_key=tuple(unknown) or None)
    return response, None


def _change_configuration(cp: ChargePoint, request: m.ChangeConfigurationRequest) -> tuple[Response, Then]:
    """§5.3; a new heartbeat interval counts from now."""
    status = cp.configuration.change(request.key, request.value)
    accepted = status == enums.ConfigurationStatus.ACCEPTED
    then = cp.schedule_heartbeat if accepted and request.key == "HeartbeatInterval" else None
    return m.ChangeConfigurationResponse(status=status), then


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


_ANSWERS: Final = cast(
    "dict[type, Callable[[ChargePoint, Any], tuple[Response, Then]]]",
    {
        m.ChangeAvailabilityRequest: _change_availability,
        m.ChangeConfigurationRequest: _change_configuration,
        m.ClearCacheRequest: _clear_cache,
        m.DataTransferRequest: _data_transfer,
        m.GetConfigurationRequest: _get_configuration,
        m.RemoteStartTransactionRequest: _remote_start,
        m.RemoteStopTransactionRequest: _remote_stop,
        m.ResetRequest: _reset,
        m.TriggerMessageRequest: _trigger,
        m.UnlockConnectorRequest: _unlock,
    },
)
