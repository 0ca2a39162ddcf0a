"""The keys of firmware, of its campaigns, and of files.

Keys of a campaign of firmware carry its id, those of a file or of a link to one theirs:

    w:{<id>}:job         hash: its record `r`, its state, how many ended with which outcome, what was noted on the way
    w:{<id>}:stations    zset, scores 0: its stations       w:{<id>}:at:<place>  zset: those that have not ended
    w:{<id>}:results     hash: station -> its result        w:{<id>}:ended       hash: results not yet counted
    w:{<id>}:tries       hash: station -> which attempt is next, where it is not the first
    x:{<id>}:file        string: a file's record            x:{<link>}:use       string with TTL: what of it was used
"""

from __future__ import annotations

from typing import Final

IMAGES: Final = "idx:firmware:images"
"""Hash: image id -> `Image`, the firmware that there is."""
CAMPAIGNS: Final = "idx:firmware:campaigns"
"""Sorted set: campaigns of firmware by their creation (ms)."""
CAMPAIGNS_ACTIVE: Final = "idx:firmware:active"
"""Hash: campaigns that have not ended -> state."""
CAMPAIGNS_ENDED: Final = "idx:firmware:ended"
"""Sorted set: campaigns that have ended, by when (ms)."""
CAMPAIGNS_RUNNER: Final = "lock:firmware"
"""Which worker advances campaigns at the moment."""
FILES: Final = "idx:files"
"""Sorted set: files by their creation (ms)."""
FILES_EXPIRY: Final = "idx:files:expiry"
"""Sorted set: files by when they are deleted (ms)."""
FILES_SWEEPER: Final = "x:sweeper"
"""Which edge deletes files at the moment."""
META_LINK_KEY: Final = "meta:link_key"
"""What links to files are signed with."""


def campaign(campaign_id: str) -> str:
    """Name the hash that holds a campaign's record, state and counts."""
    return f"w:{{{campaign_id}}}:job"


def campaign_stations(campaign_id: str) -> str:
    """Name the sorted set of a campaign's stations, all scores 0."""
    return f"w:{{{campaign_id}}}:stations"


def campaign_place(campaign_id: str, place: str) -> str:
    """Name the sorted set of a campaign's stations that are at `place` (see `shared.records.firmware.PLACES`)."""
    return f"w:{{{campaign_id}}}:at:{place}"


def campaign_results(campaign_id: str) -> str:
    """Name the hash of a campaign's results by station."""
    return f"w:{{{campaign_id}}}:results"


def campaign_ended(campaign_id: str) -> str:
    """Name the hash of results that stations' commits wrote, until they are counted."""
    return f"w:{{{campaign_id}}}:ended"


def campaign_tries(campaign_id: str) -> str:
    """Name the hash of which attempt is next at a station."""
    return f"w:{{{campaign_id}}}:tries"


def campaign_request(digest: str) -> str:
    """Name the key that remembers which campaign a request made."""
    return f"w:request:{digest}"


def file(file_id: str) -> str:
    """Name the record of a file."""
    return f"x:{{{file_id}}}:file"


def file_told(station_id: str, kind: str) -> str:
    """Name what a station said last of how its upload goes."""
    return f"s:{{{station_id}}}:told:{kind}"


def link_use(link_id: str) -> str:
    """Name what is known of a link's use."""
    return f"x:{{{link_id}}}:use"
