"""Campaigns of firmware, and files that stations fetch and leave: a row of the charging board."""

from typing import Final

from grafana.builder.dashboards import Row
from grafana.builder.panels import Panel
from grafana.builder.queries import fleet, per_minute, rate
from shared import metrics

FILES: Final = Row(
    "Firmware and files",
    (
        Panel(
            "Campaigns of firmware",
            "Those that have not ended, by state; a stopped one waits for somebody to decide.",
            ((fleet(metrics.CAMPAIGNS, "state"), "{{state}}"),),
            colours=(("running", "green"), ("paused", "yellow"), ("stopped", "red"), ("cancelled", "blue")),
            runbooks=("FirmwareCampaignStopped",),
        ),
        Panel(
            "Stations that ended in campaigns",
            "A minute, by outcome; updated: booted with the version.",
            ((per_minute(metrics.CAMPAIGN_RESULTS, "outcome"), "{{outcome}}"),),
            unit="opm",
            colours=(("updated", "green"), ("current", "blue"), ("failed", "red"), ("refused", "orange")),
        ),
        Panel(
            "Attempts that failed, by phase",
            "A minute: downloading is the network or the link, installing the image.",
            ((per_minute(metrics.CAMPAIGN_ATTEMPTS, "phase"), "{{phase}}"),),
            unit="opm",
            runbooks=("FirmwareCampaignStopped",),
        ),
        Panel(
            "Files moved",
            "A minute, by direction and how it ended; the port for files.",
            ((per_minute(metrics.TRANSFERS, "direction", "result"), "{{direction}} {{result}}"),),
            unit="opm",
        ),
        Panel(
            "Connections for files",
            "A minute; silent or displaced: whoever it was never said what it wants.",
            ((per_minute(metrics.TRANSFER_CONNECTIONS, "result"), "{{result}}"),),
            unit="opm",
            colours=(("accepted", "green"), ("silent", "orange"), ("displaced", "orange"), ("full", "red")),
        ),
        Panel(
            "Bytes of files",
            "A second, to stations (out) and from them (in).",
            ((rate(metrics.TRANSFER_BYTES, "direction"), "{{direction}}"),),
            unit="Bps",
        ),
        Panel(
            "Files deleted",
            "Diagnostics and logs a minute whose time is over.",
            ((per_minute(metrics.FILES_EXPIRED), "files"),),
            unit="opm",
        ),
    ),
)
