"""What stations do: transactions, energy, boots, faults, firmware, clocks, deviations."""

from typing import Final

from shared.metrics.base import PROTOCOLS, REGISTRY
from shared.series import OPEN, OTHER

_STOP_REASONS: Final = (
    *("EmergencyStop", "EVDisconnected", "HardReset", "Local", "Other", "PowerLoss", "Reboot", "Remote", "SoftReset"),
    *("UnlockCommand", "DeAuthorized", "reconciled", "superseded", "operator", OTHER),
)
_ERROR_CODES: Final = (
    *("ConnectorLockFailure", "EVCommunicationError", "GroundFailure", "HighTemperature", "InternalError"),
    *("LocalListConflict", "OtherError", "OverCurrentFailure", "OverVoltage", "PowerMeterFailure"),
    *("PowerSwitchFailure", "ReaderFailure", "ResetFailure", "UnderVoltage", "WeakSignal", OTHER),
)
_FIRMWARE: Final = (
    *("Downloaded", "DownloadFailed", "Downloading", "Idle", "InstallationFailed", "Installing", "Installed"),
    *("DownloadScheduled", "DownloadPaused", "InstallRebooting", "InstallScheduled", "InstallVerificationFailed"),
    *("InvalidSignature", "SignatureVerified", "RevokedCertificate", OTHER),
)

TRANSACTIONS_ACTIVE: Final = REGISTRY.gauge(
    "transactions_active",
    "Open transactions; a fall across the fleet is stations that went away, or stops that were lost.",
    {"protocol": PROTOCOLS[:3]},
)
DATA_POLICY: Final = REGISTRY.counter(
    "transactions_data_policy_total",
    "Ended transactions by whether their meter data was what the policy wants; a rise of unmet or none: look at the "
    "stations' tuning.",
    {"verdict": ("met", "partly", "unmet", "none")},
)
TRANSACTIONS_STUCK: Final = REGISTRY.gauge(
    "transactions_stuck",
    "Open transactions without a sign of life for a day, or on a connector that was set free 15 min "
    "ago; each asks for a person.",
)
TRANSACTIONS_ENDED: Final = REGISTRY.counter(
    "transactions_ended_total",
    "Transactions by how they ended; a rise of reconciled or superseded is stops that never came.",
    {"reason": _STOP_REASONS},
)
ENERGY_JOULES: Final = REGISTRY.counter(
    "energy_delivered_joules_total",
    "Energy of ended transactions and of samples in open ones (1 Wh = 3,600 J); no rise with open "
    "transactions: meter values do not come.",
)
AUTHORIZATIONS: Final = REGISTRY.counter(
    "authorizations_total",
    "Decisions on id tags, at Authorize and StartTransaction; a rise of Invalid is tags nobody imported.",
    {"status": ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")},
)
RESERVATIONS: Final = REGISTRY.counter(
    "reservations_total",
    "Reservations by what became of them; a rise of refused is full stations, of expired drivers who stay away.",
    {"state": ("made", "used", "expired", "cancelled", "refused")},
)
BOOT_NOTIFICATIONS: Final = REGISTRY.counter(
    "boot_notifications_total",
    "Boots by the registration answered; a rise is a power cut or a loop.",
    {"status": ("Accepted", "Pending", "Rejected")},
)
STATION_FAULTS: Final = REGISTRY.counter(
    "station_faults_total",
    "Errors that stations report of themselves; a rise of one code is a firmware, a site, or the weather.",
    {"error_code": _ERROR_CODES},
)
FIRMWARE_UPDATES: Final = REGISTRY.counter(
    "firmware_updates_total",
    "Firmware states reported; a rise of the failed ones stops a roll-out.",
    {"status": _FIRMWARE},
)
STATION_CLOCK_SKEW_SECONDS: Final = REGISTRY.histogram(
    "station_clock_skew_seconds",
    "Difference between a station's clock and Redis's, by its StatusNotifications; large ones get into bills.",
    buckets=(0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 86400),
)
SECURITY_EVENTS: Final = REGISTRY.counter(
    "security_events_total",
    "Security events that stations report; a rise of critical ones is an attack, or hardware that was opened.",
    {"severity": ("critical", "informational")},
)
KEY_ROTATIONS: Final = REGISTRY.counter(
    "key_rotations_total",
    "Changes of stations' keys by how they ended; a rise of refused is a firmware that does not take them.",
    {"result": ("done", "refused")},
)
CERTIFICATES_MADE: Final = REGISTRY.counter(
    "certificate_requests_total",
    "Signing requests of stations by what came of them; a rise of failed is an authority that is not reached.",
    {"result": ("refused", "signed", "failed", "accepted", "rejected")},
)
CERTIFICATES_EXPIRING: Final = REGISTRY.gauge(
    "certificates_expiring",
    "Certificates of stations that end within so long, and are not replaced yet; expired: they have.",
    {"window": ("expired", "7d", "30d")},
)
QUIRKS: Final = REGISTRY.counter(
    "quirks_total",
    "Deviations from the standard that were tolerated, by kind; a new kind that rises is a new firmware.",
    {"quirk": OPEN},
)
