"""Files that stations fetch and leave, and campaigns of firmware."""

from typing import Final

from shared.metrics.base import REGISTRY

TRANSFERS: Final = REGISTRY.counter(
    "transfers_total",
    "Files that stations fetched (out) or left (in), and how that ended; broken off ones are networks or stations that "
    "fall over, no_space is a full disk.",
    {
        "direction": ("in", "out"),
        "result": (
            *("done", "broken_off", "busy", "forged", "expired", "used", "missing", "range"),
            *("too_large", "too_slow", "cut_short", "wrong_checksum", "no_space", "failed"),
        ),
    },
)
TRANSFER_BYTES: Final = REGISTRY.counter(
    "transfer_bytes_total",
    "Bytes of files by direction; a rise is a campaign, or somebody who collects diagnostics.",
    {"direction": ("in", "out")},
)
TRANSFER_CONNECTIONS: Final = REGISTRY.counter(
    "transfer_connections_total",
    "Connections to the port for files; a rise of silent or displaced ones is somebody who keeps it busy with nothing.",
    {
        "result": (
            "accepted",
            "silent",  # it did not say in time what it wants
            "displaced",  # there was no room, and it had not said what it wants
            "full",
        ),
    },
)
FILES_EXPIRED: Final = REGISTRY.counter(
    "files_expired_total",
    "Diagnostics and logs deleted because of their age; a rise follows one of uploads by the retention.",
)
CAMPAIGNS: Final = REGISTRY.gauge(
    "firmware_campaigns",
    "Campaigns of firmware that have not ended, by state; a stopped one waits for somebody to look.",
    {"state": ("running", "paused", "stopped", "cancelled")},
)
CAMPAIGN_RESULTS: Final = REGISTRY.counter(
    "firmware_campaign_results_total",
    "Stations that ended in a campaign of firmware, by outcome; failed ones stop it in the end.",
    {"outcome": ("updated", "current", "failed", "refused", "expired", "cancelled")},
)
CAMPAIGN_ATTEMPTS: Final = REGISTRY.counter(
    "firmware_attempts_total",
    "Attempts of campaigns that failed, by where they were; a rise at downloading is the network or the link, at "
    "installing the image.",
    {"phase": ("requested", "downloading", "downloaded", "installing", "installed", "rebooting")},
)
