"""The handlers of OCPP 1.6, one module per functional block; importing the package registers all of them.

    boot.py, heartbeat.py   BootNotification, Heartbeat
    status.py               StatusNotification
    reports.py              firmware, diagnostics and log statuses
    security.py             SecurityEventNotification
    certificates.py         SignCertificate, CertificateSigned, a station's roots
    data_transfer.py        DataTransfer
    authorize.py, transactions.py, meter_values.py   Authorize; StartTransaction, StopTransaction; MeterValues
    firmware.py             UpdateFirmware and SignedUpdateFirmware for campaigns
    tuning.py               ChangeConfiguration and Reset for templates
    local_lists.py          SendLocalList, GetLocalListVersion
    charging_profiles.py    SetChargingProfile, ClearChargingProfile, GetCompositeSchedule
    configuration.py        GetConfiguration, read as loosely as stations write it
    commands.py             what the answers to the CSMS's messages mean, and promise
    reservations.py         ReserveNow, CancelReservation

Every module of the package is imported: a handler needs no further list.
"""

from __future__ import annotations

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
