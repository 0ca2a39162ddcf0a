"""The versioned list of event types. Each is delivered at least once, with an id that is the same on redelivery.

    base.py           what every event has
    stations.py       connections, boots, connectors, statuses, what nobody understood
    charging.py       transactions, authorizations, reservations
    commands.py       commands, and jobs that send them to many
    configuration.py  configurations: read, drifted, brought in line
    demand.py         demand response: events that begin and end
    files.py          files that stations leave and fetch, campaigns of firmware
    profiles.py       charging profiles: how far they got, and whether they are obeyed

An entry of the event stream holds the events of one batch (field `v`, a msgpack list); an event's position is
`<entry id>.<index>`, and that is what a reader resumes from. The event's own id is `station:epoch:call_seq:n` for what
a CALL caused and `station:<uplink entry id>:n` for the rest.
"""

# ruff: noqa: F403, F405
# What each file declares is this package's: a star re-exports it under its own name, typed, without a second list.
from __future__ import annotations

from typing import Final

from shared.records.events.base import *
from shared.records.events.charging import *
from shared.records.events.commands import *
from shared.records.events.configuration import *
from shared.records.events.demand import *
from shared.records.events.files import *
from shared.records.events.profiles import *
from shared.records.events.stations import *

AnyEvent = (
    StationCreated
    | StationUpdated
    | StationDeleted
    | StationConnected
    | StationDisconnected
    | StationOffline
    | StationBooted
    | StationFlagged
    | ConnectorStatus
    | TransactionStarted
    | TransactionUpdated
    | TransactionEnded
    | TransactionCorrected
    | TransactionOrphanStop
    | AuthorizationRefused
    | TransactionUnauthorized
    | TransactionUnauthorizedEnded
    | FirmwareStatus
    | DiagnosticsStatus
    | SecurityEvent
    | CertificateRequested
    | CertificateChanged
    | KeyRotation
    | DataTransferred
    | FrameQuarantined
    | CommandChanged
    | StartFailed
    | StopFailed
    | ReconciliationStarted
    | ConfigurationRead
    | ConfigurationDrifted
    | DriftAcknowledged
    | StationTuned
    | LocalListChanged
    | DataIncomplete
    | ReservationMade
    | ReservationUsed
    | ReservationExpired
    | ReservationCancelled
    | ReservationRefused
    | JobCreated
    | JobChanged
    | JobDone
    | FileStored
    | FileFailed
    | FileFetched
    | FirmwareUpdate
    | CampaignCreated
    | CampaignChanged
    | CampaignDone
    | DemandStarted
    | DemandEnded
    | ProfileChanged
    | LimitExceeded
    | ProbeChanged
)

EVENT_TYPES: Final[dict[str, type[Event]]] = {
    str(cls.__struct_config__.tag): cls for cls in Event.__subclasses__() if cls.__struct_config__.tag is not None
}
"""Event type name -> its class; the documentation's table is made from it."""
