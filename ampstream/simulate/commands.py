"""What a simulated station answers beyond the Core profile: see `ampstream.simulate.features`.

A station without the profile that a message belongs to answers NotSupported (OCPP-J 1.6 §4.2.3 table 7).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from ampstream.simulate import deviations
from ampstream.simulate.certificates import readable
from ampstream.simulate.upkeep import Update
from shared.ocpp.errors import NotSupported
from shared.ocpp.frames import Payload
from shared.ocpp.messages import Request
from shared.ocpp.v16 import enums
from shared.ocpp.v16 import messages as m

if TYPE_CHECKING:
    from ampstream.simulate.chargepoint import ChargePoint
    from ampstream.simulate.messenger import Then

_SWITCH_S: Final = 2.0
"""After so long, simulated, a station dials in with its new certificate (A02.FR.08)."""
Answered = tuple[Payload, "Then"]


def require(cp: ChargePoint, request: Request[Any]) -> None:
    """Raise `NotSupported` for a message of a feature profile that the station lacks (§3.3)."""
    profile = _PROFILES.get(type(request))
    if profile is not None and not cp.configuration.has(profile):
        raise NotSupported(f"{request.action} belongs to {profile}, which this station does not have")


# --- reservations


def _reserve(cp: ChargePoint, request: m.ReserveNowRequest) -> Answered:
    """§5.13."""
    return m.ReserveNowResponse(status=cp.features.reservations.reserve(request)), None


def _cancel_reservation(cp: ChargePoint, request: m.CancelReservationRequest) -> Answered:
    """§5.1."""
    status = enums.CancelReservationStatus
    found = cp.features.reservations.end(request.reservation_id)
    return m.CancelReservationResponse(status=status.ACCEPTED if found else status.REJECTED), None


# --- the local list


def _send_local_list(cp: ChargePoint, request: m.SendLocalListRequest) -> Answered:
    """§5.15."""
    if not cp.configuration.has("LocalAuthListManagement"):
        return m.SendLocalListResponse(status=enums.UpdateStatus.NOT_SUPPORTED), None
    return m.SendLocalListResponse(status=cp.features.local_list.update(request)), None


def _get_local_list_version(cp: ChargePoint, _request: m.GetLocalListVersionRequest) -> Answered:
    """§5.10: -1 where there are no lists."""
    known = cp.configuration.has("LocalAuthListManagement")
    return m.GetLocalListVersionResponse(list_version=cp.features.local_list.version if known else -1), None


# --- charging profiles


def _set_profile(cp: ChargePoint, request: m.SetChargingProfileRequest) -> Answered:
    """§5.16."""
    if (odd := deviations.install(cp, request)) is not None:
        return odd, None
    status = cp.features.schedules.install(request.connector_id, request.cs_charging_profiles)
    return m.SetChargingProfileResponse(status=status), None


def _clear_profile(cp: ChargePoint, request: m.ClearChargingProfileRequest) -> Answered:
    """§5.5."""
    if (odd := deviations.clear(cp, request)) is not None:
        return odd, None
    status = enums.ClearChargingProfileStatus
    found = cp.features.schedules.clear(request)
    return m.ClearChargingProfileResponse(status=status.ACCEPTED if found else status.UNKNOWN), None


def _composite(cp: ChargePoint, request: m.GetCompositeScheduleRequest) -> Answered:
    """§5.7."""
    return deviations.composite(cp, request, cp.features.schedules.composite(request)), None


# --- firmware, diagnostics, logs


def _update_firmware(cp: ChargePoint, request: m.UpdateFirmwareRequest) -> Answered:
    """§5.19."""
    cp.features.upkeep.update(Update(request.location, request.retrieve_date))
    return m.UpdateFirmwareResponse(), None


def _signed_update(cp: ChargePoint, request: m.SignedUpdateFirmwareRequest) -> Answered:
    """White paper L01: a second update takes the place of the first."""
    status = enums.UpdateFirmwareStatusEnumType
    firmware, upkeep = request.firmware, cp.features.upkeep
    if not readable(firmware.signing_certificate):
        return m.SignedUpdateFirmwareResponse(status=status.INVALID_CERTIFICATE), None
    replaced = upkeep.updating
    upkeep.update(
        Update(
            firmware.location,
            firmware.retrieve_date_time,
            request.request_id,
            firmware.signature,
            firmware.signing_certificate,
        )
    )
    return m.SignedUpdateFirmwareResponse(status=status.ACCEPTED_CANCELED if replaced else status.ACCEPTED), None


def _get_diagnostics(cp: ChargePoint, request: m.GetDiagnosticsRequest) -> Answered:
    """§5.9."""
    return m.GetDiagnosticsResponse(file_name=cp.features.upkeep.send_diagnostics(request.location)), None


def _get_log(cp: ChargePoint, request: m.GetLogRequest) -> Answered:
    """White paper N01."""
    status, name = cp.features.upkeep.send_log(request.request_id, request.log.remote_location)
    return m.GetLogResponse(status=status, filename=name), None


# --- certificates


def _install(cp: ChargePoint, request: m.InstallCertificateRequest) -> Answered:
    """White paper M05."""
    status = cp.features.certificates.install(request.certificate_type, request.certificate)
    return m.InstallCertificateResponse(status=status), None


def _delete(cp: ChargePoint, request: m.DeleteCertificateRequest) -> Answered:
    """White paper M04."""
    status = cp.features.certificates.delete(request.certificate_hash_data)
    return m.DeleteCertificateResponse(status=status), None


def _installed(cp: ChargePoint, request: m.GetInstalledCertificateIdsRequest) -> Answered:
    """White paper M03."""
    status = enums.GetInstalledCertificateStatusEnumType
    found = cp.features.certificates.of(request.certificate_type)
    if not found:
        return m.GetInstalledCertificateIdsResponse(status=status.NOT_FOUND), None
    return m.GetInstalledCertificateIdsResponse(status=status.ACCEPTED, certificate_hash_data=found), None


def _signed(cp: ChargePoint, request: m.CertificateSignedRequest) -> Answered:
    """White paper A02."""
    status = enums.CertificateSignedStatusEnumType
    if not cp.features.identity.take_certificate(request.certificate_chain, cp.world.wall_ms()):
        return m.CertificateSignedResponse(status=status.REJECTED), None

    def dial_again() -> None:
        cp.world.after(_SWITCH_S, cp.drop)

    return m.CertificateSignedResponse(status=status.ACCEPTED), dial_again


Answerers = dict[type, Callable[["ChargePoint", Any], Answered]]

COMMANDS: Final = cast(
    "Answerers",
    {
        m.CancelReservationRequest: _cancel_reservation,
        m.CertificateSignedRequest: _signed,
        m.ClearChargingProfileRequest: _clear_profile,
        m.DeleteCertificateRequest: _delete,
        m.GetCompositeScheduleRequest: _composite,
        m.GetDiagnosticsRequest: _get_diagnostics,
        m.GetInstalledCertificateIdsRequest: _installed,
        m.GetLocalListVersionRequest: _get_local_list_version,
        m.GetLogRequest: _get_log,
        m.InstallCertificateRequest: _install,
        m.ReserveNowRequest: _reserve,
        m.SendLocalListRequest: _send_local_list,
        m.SetChargingProfileRequest: _set_profile,
        m.SignedUpdateFirmwareRequest: _signed_update,
        m.UpdateFirmwareRequest: _update_firmware,
    },
)

_PROFILES: Final[dict[type, str]] = {
    m.CancelReservationRequest: "Reservation",
    m.ClearChargingProfileRequest: "SmartCharging",
    m.ExtendedTriggerMessageRequest: "RemoteTrigger",
    m.GetCompositeScheduleRequest: "SmartCharging",
    m.GetDiagnosticsRequest: "FirmwareManagement",
    m.ReserveNowRequest: "Reservation",
    m.SetChargingProfileRequest: "SmartCharging",
    m.TriggerMessageRequest: "RemoteTrigger",
    m.UpdateFirmwareRequest: "FirmwareManagement",
}
