"""Firmware: images, campaigns that bring one to many stations, and the update that is under way at a station.

    waiting ──its turn, inside a window──> active ──the station booted and named the version──> updated
      │  ^                                   │ └──failed, attempts left; or not begun──> resting ──due──> active
      v  │                                   └──failed, none left──> failed
    offline (taken up again when the station is back)

The stations of a campaign are fixed when it is made. The first ones that begin are its canaries: nobody else begins
before all of them have ended. Then batch by batch: the next one begins when nobody of the last is active any more.
"""

from __future__ import annotations

import zlib
from typing import Final, Literal

import msgspec

from .commands import make_id
from .windows import Windows
from .works import WorkNow

CampaignState = Literal["running", "paused", "stopped", "cancelled", "done"]
"""`stopped`: by itself, because canaries or too many stations failed."""
CampaignPlace = Literal["waiting", "offline", "active", "resting"]
UpdateOutcome = Literal["updated", "current", "failed", "refused", "expired", "cancelled"]
"""`current`: it had the version before. `refused`: it is no more, or its model takes no such update."""
AttemptOutcome = Literal["updated", "current", "failed", "refused", "cancelled", "put_off"]
"""`put_off`: it was not begun, as a transaction runs or the command was not sent; no attempt is lost."""
UpdateStage = Literal["requested", "downloading", "downloaded", "installing", "installed", "rebooting"]
SignedMode = Literal["auto", "always", "never"]
"""Whether SignedUpdateFirmware is sent; `auto`: to stations that know it, where the image is signed."""

PLACES: Final[tuple[CampaignPlace, ...]] = ("waiting", "offline", "active", "resting")
OUTCOMES: Final[tuple[UpdateOutcome, ...]] = ("updated", "current", "failed", "refused", "expired", "cancelled")
ORIGIN: Final = "firmware"
"""A campaign's commands have the origin `firmware:<id>`."""
FIRST: Final = "1:1"
DETAIL_CHARACTERS: Final = 200


class Image(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A firmware; its content is a file of ours, or at `location`."""

    image_id: str
    version: str
    """As stations name it when they boot: the whole text."""
    vendor: str = ""
    model: str = ""
    """For people, and for a campaign's check; empty: any."""
    file_name: str = ""
    file_id: str = ""
    """Empty until the content is there, and where it is at `location`."""
    location: str = ""
    size: int = 0
    sha256: str = ""
    signature: str = ""
    """Base64, by the manufacturer (security white paper L01)."""
    signing_certificate: str = ""
    """PEM."""
    verified: bool | None = None
    """Whether the signature is one over the content that we understand; None: there is none, or no content here."""
    note: str = ""
    created_at: int = 0
    created_by: str = ""


class Campaign(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is wanted of whom, and how carefully; never changes."""

    campaign_id: str
    name: str = ""
    image: Image
    """As it was when the campaign was made."""
    named: bool = False
    filter: dict[str, str] = {}
    total: int = 0
    canary: int = 0
    """Stations that go first."""
    canary_failures: int = 0
    """More of them failed than this: the campaign stops."""
    soak_s: int = 0
    """Between the end of the last canary and the first batch."""
    batch: int = 10
    """Stations at a time."""
    max_failure_percent: float = 20.0
    """A larger share of failed ones stops the campaign."""
    failure_sample: int = 5
    """The share counts once so many have ended."""
    attempts: int = 2
    """At a station, the first among them."""
    retry_wait_s: int = 600
    stage_timeout_s: int = 3600
    """Nothing heard for so long: the attempt has failed."""
    boot_timeout_s: int = 1800
    """Installed, and no boot for so long: the attempt has failed."""
    jitter_s: int = 0
    """Stations of a batch are told to fetch up to so much later, each another time."""
    signed: SignedMode = "auto"
    only_idle: bool = True
    """Not while a transaction runs."""
    windows: Windows = Windows()
    created_at: int = 0
    created_by: str = ""
    expires_at: int = 0
    """No station begins after this."""

    @property
    def origin(self) -> str:
        """The origin of what the campaign begins."""
        return f"{ORIGIN}:{self.campaign_id}"


class CampaignNow(WorkNow[CampaignState, CampaignPlace, UpdateOutcome], frozen=True, kw_only=True):
    """A campaign as it stands."""

    campaign: Campaign
    reason: str = ""
    """Why it stopped."""
    canary_at: int = 0
    """When its last canary ended; 0: not yet."""
    base_updated: int = 0
    base_failed: int = 0
    """What had ended when somebody resumed it: failures are counted from then on."""


class UpdateResult(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What came of an attempt at one station."""

    outcome: AttemptOutcome | UpdateOutcome
    turn: int = 1
    attempt: int = 1
    at: int = 0
    stage: str = ""
    """Where it was when it failed."""
    detail: str = ""
    command_id: str = ""


class Updating(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Section `fw`: the update that is under way at a station, or the last one, which has a result then."""

    campaign_id: str = ""
    turn: int = 0
    """Counts what the campaign began at the station; `attempt` counts what was truly tried."""
    attempt: int = 0
    version: str = ""
    previous: str = ""
    """What it had before."""
    signed: bool = False
    mode: SignedMode = "auto"
    request_id: int = 0
    command_id: str = ""
    location: str = ""
    """Kept for the plain command that follows a signed one which the station does not know."""
    stage: UpdateStage = "requested"
    status: str = ""
    """What the station said last."""
    began_at: int = 0
    moved_at: int = 0
    due_at: int = 0
    retrieve_at: int = 0
    expires_at: int = 0
    stage_timeout_ms: int = 0
    boot_timeout_ms: int = 0
    result: UpdateResult | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether something is still expected."""
        return bool(self.campaign_id) and self.result is None


def make_campaign_id(now: int, source: str) -> str:
    """Return the id of a campaign made at `now` (ms), equal for one source."""
    return make_id(now, f"campaign:{source}")


def command_id(campaign_id: str, station_id: str, turn: int, now: int) -> str:
    """Return the id of a campaign's command to a station: the same however often it is asked for."""
    return make_id(now, f"{campaign_id}:{station_id}:{turn}")


def number_of(command: str) -> int:
    """Return the request id of a signed update: follows from the command's id, positive, 31 bits."""
    return zlib.crc32(command.encode()) % (2**31 - 1) + 1


def tries_of(packed: bytes | str | None) -> tuple[int, int]:
    """Return (turn, attempt) that are next at a station."""
    text = packed.decode() if isinstance(packed, bytes) else packed or FIRST
    turn, _, attempt = text.partition(":")
    return int(turn), int(attempt)
