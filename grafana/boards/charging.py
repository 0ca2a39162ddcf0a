"""Commands and charging: what operators and drivers notice."""

from typing import Final

from grafana.builder.dashboards import Dashboard, Row
from grafana.builder.panels import Panel
from grafana.builder.queries import fleet, quantile, rate
from shared import metrics

_COMMANDS: Final = Row(
    "Commands",
    (
        Panel(
            "Commands by outcome",
            "Commands that ended, a second; timed_out: sent and never answered, expired: the station was not there.",
            ((rate(metrics.COMMANDS, "result"), "{{result}}"),),
            unit="ops",
            runbooks=("CommandTimeouts",),
        ),
        Panel(
            "Time of a command, p99",
            "From its request to its end, by action.",
            ((quantile(0.99, metrics.COMMAND_SECONDS, "action"), "{{action}}"),),
            unit="s",
            runbooks=("CommandTimeouts",),
        ),
        Panel(
            "Commands in flight",
            "Sent and not yet answered; a rise is stations that do not answer.",
            ((fleet(metrics.COMMANDS_INFLIGHT), "in flight"),),
            runbooks=("CommandTimeouts",),
        ),
    ),
)
_TRANSACTIONS: Final = Row(
    "Transactions",
    (
        Panel(
            "Open transactions",
            "By OCPP version.",
            ((fleet(metrics.TRANSACTIONS_ACTIVE, "protocol"), "{{protocol}}"),),
            stacked=True,
        ),
        Panel(
            "Silent transactions",
            "Open without a sign of life for a day, or on a connector that was set free.",
            ((fleet(metrics.TRANSACTIONS_STUCK), "silent"),),
            steps=((10, "orange"),),
            runbooks=("TransactionsStuck",),
        ),
        Panel(
            "Power delivered",
            "Energy of samples and of ended transactions, as a rate; steps where stations report at their end only.",
            ((rate(metrics.ENERGY_JOULES), "power"),),
            unit="watt",
        ),
        Panel(
            "Transactions ended",
            "A second, by how they ended; superseded and reconciled were never stopped by their station.",
            ((rate(metrics.TRANSACTIONS_ENDED, "reason"), "{{reason}}"),),
            unit="ops",
        ),
        Panel(
            "Decisions on id tags",
            "A second; refusals that rise are a broken import, or somebody who tries.",
            ((rate(metrics.AUTHORIZATIONS, "status"), "{{status}}"),),
            unit="ops",
            runbooks=("AuthRejectSpike",),
        ),
        Panel(
            "Connectors by status",
            "As stations reported last.",
            ((fleet(metrics.CONNECTORS, "status"), "{{status}}"),),
            stacked=True,
        ),
    ),
)
_STATIONS: Final = Row(
    "What stations say of themselves",
    (
        Panel(
            "Boots",
            "A second, by the registration answered; a rise is a power cut or a loop.",
            ((rate(metrics.BOOT_NOTIFICATIONS, "status"), "{{status}}"),),
            unit="ops",
        ),
        Panel(
            "Faults",
            "Errors that stations report, a second.",
            ((rate(metrics.STATION_FAULTS, "error_code"), "{{error_code}}"),),
            unit="ops",
        ),
        Panel(
            "Firmware",
            "States of updates, a second.",
            ((rate(metrics.FIRMWARE_UPDATES, "status"), "{{status}}"),),
            unit="ops",
            runbooks=("FirmwareFailures",),
        ),
        Panel(
            "Security events",
            "A second, by severity.",
            ((rate(metrics.SECURITY_EVENTS, "severity"), "{{severity}}"),),
            unit="ops",
        ),
        Panel(
            "Clock skew, p95",
            "Difference between stations' clocks and Redis's.",
            ((quantile(0.95, metrics.STATION_CLOCK_SKEW_SECONDS), "p95"),),
            unit="s",
            steps=((10, "orange"),),
            runbooks=("StationClockSkew",),
        ),
        Panel(
            "Deviations tolerated",
            "From the standard, a second, by kind.",
            ((rate(metrics.QUIRKS, "quirk"), "{{quirk}}"),),
            unit="ops",
        ),
    ),
)

CHARGING: Final = Dashboard(
    "ampstream-charging",
    "Ampstream: Commands & Charging",
    "What operators and drivers notice: commands, transactions, energy, refusals, and what stations report.",
    (_COMMANDS, _TRANSACTIONS, _STATIONS),
)
