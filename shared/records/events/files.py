"""Files that stations leave and fetch, and campaigns of firmware."""

from __future__ import annotations

import msgspec

from shared.records.events.base import Event


class FileStored(Event, tag="file.stored"):
    """A station has left a file that it was asked for, whole."""

    file_id: str
    kind: str
    name: str
    size: int
    sha256: str


class FileFailed(Event, tag="file.failed"):
    """An upload failed (`reason` says how); the station may try again while its link lasts."""

    file_id: str
    kind: str
    reason: str


class FileFetched(Event, tag="file.fetched"):
    """A station has fetched the whole of a file."""

    file_id: str
    kind: str
    name: str
    size: int


class FirmwareUpdate(Event, tag="firmware.update"):
    """An update that a campaign wants went on: `stage` is where it is, or `updated`, `failed`, `put_off`, `cancelled`.

    `updated` only once the station has booted and named the version.
    """

    campaign_id: str
    firmware: str
    """The version."""
    attempt: int
    stage: str
    detail: str = ""


class CampaignCreated(Event, tag="campaign.created"):
    """An operator made a campaign of firmware; `station_id` is empty in all events of campaigns."""

    campaign_id: str
    firmware: str
    """The version."""
    total: int
    state: str
    by: str = ""


class CampaignChanged(Event, tag="campaign.changed"):
    """A campaign was paused, resumed or cancelled (`by` says by whom), stopped by itself (`reason`), or went on."""

    campaign_id: str
    state: str
    total: int
    ended: int
    by: str = ""
    reason: str = ""


class CampaignDone(Event, tag="campaign.done"):
    """All stations of a campaign have ended, also where it was cancelled; `outcomes` counts them."""

    campaign_id: str
    state: str
    total: int
    outcomes: dict[str, int] = msgspec.field(default_factory=dict)
