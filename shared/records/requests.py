"""What operators ask of a station's commit: bodies of REQUEST entries on the station's uplink.

The operators' listener validates, appends the entry, and waits for the worker's `Reply` over its node's downlink.
A request is idempotent by `request_id`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from shared.records.profiles import Profile, Supply


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="request"):
    """What every request has; `by` names the operator's token for the audit trail, never its secret."""

    request_id: str
    by: str = ""


class CreateStation(Request, frozen=True, tag="create_station"):
    """Make a station known, or fail with 409 where it is. `key_hash`: stored credential, see `shared.credentials`."""

    key_hash: str = ""
    name: str = ""
    group: str = ""
    time_zone: str = ""
    boot_policy: str = ""
    minimum_profile: int = 0
    subprotocol: str = ""
    ping: bool = True
    blocked: bool = False
    certificate_name: str = ""
    quirk_profile: dict[str, str] = {}


class UpdateStation(Request, frozen=True, tag="update_station"):
    """Change the fields that are not None; 404 where the station is unknown."""

    key_hash: str | None = None
    name: str | None = None
    group: str | None = None
    time_zone: str | None = None
    boot_policy: str | None = None
    minimum_profile: int | None = None
    subprotocol: str | None = None
    ping: bool | None = None
    blocked: bool | None = None
    certificate_name: str | None = None
    quirk_profile: dict[str, str] | None = None


class DeleteStation(Request, frozen=True, tag="delete_station"):
    """Forget a station: closes its socket, keeps its transactions; 409 with an open transaction unless `force`."""

    force: bool = False


class Disconnect(Request, frozen=True, tag="disconnect"):
    """Close the station's socket (1012); 409 where it has none."""

    reason: str = "operator"


class SendCommand(Request, frozen=True, tag="send_command"):
    """Queue a command; the reply's body is its record."""

    action: str
    payload: str
    """JSON text, validated by the listener."""
    command_id: str = ""
    """Empty: one is made."""
    expires_in_ms: int = 0
    """0: the policy's."""
    job: str = ""
    """The job that wants it: nobody waits for a reply then, and a `command_id` is given."""


class CloseTransaction(Request, frozen=True, tag="close_transaction"):
    """End an open transaction with its last known meter value; 409 where it is not open. A late stop corrects it."""

    transaction_id: int


class ApplyTemplates(Request, frozen=True, tag="apply_templates"):
    """Read the station's configuration now and set what differs from its templates; 409 where it can't be read."""

    retry: bool = False
    """Also what it refused, or kept going back on."""
    job: str = ""
    """The job that wants it: nobody waits for a reply then."""
    expires_in_ms: int = 0
    """The read is not sent after so long; 0: the policy's."""


class CancelCommand(Request, frozen=True, tag="cancel_command"):
    """Cancel a command that was not sent; 409 otherwise."""

    command_id: str


class ReadConfiguration(Request, frozen=True, tag="read_configuration"):
    """Read the station's whole configuration; 409 where it may not be asked, or has never connected."""

    job: str = ""
    """The job that wants it: nobody waits for a reply then."""
    expires_in_ms: int = 0
    """It is not sent after so long; 0: the policy's."""


class SyncLocalList(Request, frozen=True, tag="sync_local_list"):
    """Bring the station's local authorization list in step; 409 where it can have none, or none is wanted."""

    full: bool = False
    """Send it whole, whatever the station says that it has."""
    job: str = ""
    """The job that wants it: nobody waits for a reply then."""


class RotateKey(Request, frozen=True, tag="rotate_key"):
    """Give the station a new key; 409 where one is on its way. The old one counts until it came with the new one."""

    key: str
    """40 hex characters, made by who asks: decisions are pure. Nothing shows or keeps this request."""
    key_hash: str
    job: str = ""
    """The job that wants it: nobody waits for a reply then."""

    def __repr__(self) -> str:
        return f"RotateKey({self.request_id!r}, ***)"


class RenewCertificate(Request, frozen=True, tag="renew_certificate"):
    """Ask the station for a signing request, now; 409 where nobody could sign it."""


class IssueCertificate(Request, frozen=True, tag="issue_certificate"):
    """Bring a station what the authority made of its request, or why it made nothing; nobody waits for a reply."""

    signing_id: str
    chain: str = ""
    """PEM, the station's own certificate first."""
    certificate_id: str = ""
    subject: str = ""
    not_after: int = 0
    problem: str = ""


class LeaveJob(Request, frozen=True, tag="leave_job"):
    """End a job's part at a station whose configuration it wants, unless a command is on the way; nobody waits."""

    job: str


class AcknowledgeDrift(Request, frozen=True, tag="acknowledge_drift"):
    """Note that an operator has seen a drift; the reply's body is the `Drift`."""

    drift_id: str
    note: str = ""


class ReplayQuarantined(Request, frozen=True, tag="replay_quarantined"):
    """Run a quarantined frame through the pipeline again, without an answer to the station."""

    quarantine_id: str


class DropQuarantined(Request, frozen=True, tag="drop_quarantined"):
    """Forget a quarantined frame."""

    quarantine_id: str


class AssignProfile(Request, frozen=True, tag="assign_profile"):
    """Send a charging profile to a station; the reply's body is the `Assigned`. 409 without its transaction."""

    profile: Profile
    """Its id is given by the station's commit."""
    name: str = ""
    """In the library, with its `version`; empty: given whole."""
    version: int = 0
    site: str = ""
    """The site whose allocator wants it: nobody waits for a reply then, and an older `version` changes nothing."""
    converted: Supply | None = None
    """By what its amounts were converted from the other unit."""
    verify: bool = True
    """Whether the station is asked for its composite schedule once it has accepted it."""


class ClearProfile(Request, frozen=True, tag="clear_profile"):
    """Take a charging profile off a station; 404 where it has none of this id."""

    profile_id: int = 0
    site: str = ""
    """All that the allocator of this site has set, in place of one; nobody waits for a reply."""


class PlanTransaction(Request, frozen=True, tag="plan_transaction"):
    """Note what an open transaction is to get by when; 409 where it is not open. Without any of it: forget that."""

    transaction_id: int
    energy_wh: int | None = None
    departs_at: int | None = None
    priority: int | None = None


class StartProbe(Request, frozen=True, tag="start_probe"):
    """Try what a station's smart charging does; 409 where it is away, charges, or is probed already."""

    connector_id: int = 1
    force: bool = False
    """Also with a transaction, or where a site manages the station."""
    with_transaction: bool = False
    """Compare what the transaction that runs draws."""
    settle_ms: int = 0
    """How long after a limit that is looked at; 0: the usual."""
    job: str = ""
    """The job that wants it: nobody waits for a reply then."""


class AbortProbe(Request, frozen=True, tag="abort_probe"):
    """End a probe and restore the station; 404 where none runs, 409 where it is being restored."""


class BeginUpdate(Request, frozen=True, kw_only=True, tag="begin_update"):
    """Begin a campaign's update; nobody waits for a reply, the result goes to the campaign."""

    campaign_id: str
    turn: int
    attempt: int
    version: str
    location: str
    signature: str = ""
    signing_certificate: str = ""
    mode: Literal["auto", "always", "never"] = "auto"
    only_idle: bool = True
    retrieve_in_ms: int = 0
    """The station is told to fetch it so much later."""
    expires_in_ms: int = 900_000
    """Its command is not sent after so long."""
    stage_timeout_ms: int = 3_600_000
    boot_timeout_ms: int = 1_800_000


class StopUpdate(Request, frozen=True, tag="stop_update"):
    """Take a campaign's update back where its command was not sent; nobody waits."""

    campaign_id: str


AnyRequest = (
    CreateStation
    | UpdateStation
    | DeleteStation
    | Disconnect
    | SendCommand
    | ApplyTemplates
    | CloseTransaction
    | PlanTransaction
    | CancelCommand
    | AssignProfile
    | ClearProfile
    | ReadConfiguration
    | LeaveJob
    | RotateKey
    | RenewCertificate
    | IssueCertificate
    | BeginUpdate
    | StopUpdate
    | SyncLocalList
    | AcknowledgeDrift
    | ReplayQuarantined
    | DropQuarantined
    | StartProbe
    | AbortProbe
)
