"""Commands and charging: what operators and drivers notice."""

from typing import Final

from grafana.boards.authorization import AUTHORIZATION
from grafana.boards.demand import DEMAND
from grafana.boards.files import FILES
from grafana.boards.proofs import PROOFS
from grafana.boards.sites import SITES
from grafana.builder.dashboards import Dashboard, Row
from grafana.builder.panels import Panel
from grafana.builder.queries import fleet, per_minute, quantile, rate
from shared import metrics

_COMMANDS: Final = Row(
    "Commands",
    (
        Panel(
            "Commands by outcome",
            "Commands that ended, a minute; timed_out: sent and never answered, expired: the station was not there.",
            ((per_minute(metrics.COMMANDS, "result"), "{{result}}"),),
            unit="opm",
            colours=(
                ("accepted", "green"),
                ("rejected", "yellow"),
                ("timed_out", "red"),
                ("error", "orange"),
                ("expired", "purple"),
            ),
            runbooks=("CommandTimeouts",),
        ),
        Panel(
            "Time of a command, p99",
            "From its request to its end, by action.",
            ((quantile(0.99, metrics.COMMAND_SECONDS, "action"), "{{action}}"),),
            unit="s",
            log=True,
            runbooks=("CommandTimeouts",),
        ),
        Panel(
            "Commands in flight",
            "Sent and not yet answered; a rise is stations that do not answer.",
            ((fleet(metrics.COMMANDS_INFLIGHT), "in flight"),),
            runbooks=("CommandTimeouts",),
        ),
        Panel(
            "Jobs over many stations",
            "Jobs that have not ended, by state; one that stays is paused, or waits for stations that are offline.",
            ((fleet(metrics.BULK_JOBS, "state"), "{{state}}"),),
            stacked=True,
            width=12,
        ),
        Panel(
            "Stations of jobs by outcome",
            "Stations whose part in a job ended, a minute; where refusals or silence rise, pause the job.",
            ((per_minute(metrics.BULK_JOB_RESULTS, "outcome"), "{{outcome}}"),),
            unit="opm",
            runbooks=("CommandTimeouts",),
            width=12,
        ),
    ),
)
_CONNECTORS: Final = (
    *(("Available", "green"), ("Preparing", "yellow"), ("Charging", "blue"), ("Finishing", "purple")),
    *(("SuspendedEV", "light-blue"), ("SuspendedEVSE", "dark-blue"), ("Reserved", "light-green")),
    *(("Unavailable", "orange"), ("Faulted", "red")),
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
            "A minute, by how they ended; superseded and reconciled were never stopped by their station.",
            ((per_minute(metrics.TRANSACTIONS_ENDED, "reason"), "{{reason}}"),),
            unit="opm",
            width=12,
        ),
        Panel(
            "Decisions on id tags",
            "A minute; refusals that rise are a broken import, or somebody who tries.",
            ((per_minute(metrics.AUTHORIZATIONS, "status"), "{{status}}"),),
            unit="opm",
            colours=(("Accepted", "green"), ("Invalid", "red"), ("Blocked", "orange")),
            runbooks=("AuthRejectSpike",),
            width=12,
        ),
        Panel(
            "Connectors by status",
            "As stations reported last.",
            ((fleet(metrics.CONNECTORS, "status"), "{{status}}"),),
            stacked=True,
            colours=_CONNECTORS,
            width=12,
        ),
        Panel(
            "Reservations",
            "A minute, by what became of them; made: a station has accepted one.",
            ((per_minute(metrics.RESERVATIONS, "state"), "{{state}}"),),
            unit="opm",
            colours=(("used", "green"), ("made", "blue"), ("expired", "yellow"), ("refused", "red")),
            width=12,
        ),
        Panel(
            "Charging profiles",
            "A minute, by the state that they came into; differs and refused: models that do as they like.",
            ((per_minute(metrics.CHARGING_PROFILES, "state"), "{{state}}"),),
            unit="opm",
            colours=(("verified", "green"), ("wanted", "blue"), ("differs", "orange"), ("refused", "red")),
            width=12,
        ),
        Panel(
            "Checks of probes",
            "A minute, by what they came to, and probes that were aborted: what models really do with profiles.",
            (
                (per_minute(metrics.PROBE_CHECKS, "verdict"), "{{verdict}}"),
                (per_minute(metrics.PROBES, "result"), "probe {{result}}"),
            ),
            unit="opm",
            colours=(("passed", "green"), ("failed", "red"), ("lacking", "yellow"), ("untested", "blue")),
            width=12,
        ),
    ),
)
_STATIONS: Final = Row(
    "What stations say of themselves",
    (
        Panel(
            "Boots",
            "A minute, by the registration answered; a rise is a power cut or a loop.",
            ((per_minute(metrics.BOOT_NOTIFICATIONS, "status"), "{{status}}"),),
            unit="opm",
            colours=(("Accepted", "green"), ("Rejected", "red"), ("Pending", "yellow")),
        ),
        Panel(
            "Faults",
            "Errors that stations report, a minute.",
            ((per_minute(metrics.STATION_FAULTS, "error_code"), "{{error_code}}"),),
            unit="opm",
        ),
        Panel(
            "Firmware",
            "States of updates, a minute.",
            ((per_minute(metrics.FIRMWARE_UPDATES, "status"), "{{status}}"),),
            unit="opm",
            runbooks=("FirmwareFailures",),
        ),
        Panel(
            "Security events",
            "A minute, by severity.",
            ((per_minute(metrics.SECURITY_EVENTS, "severity"), "{{severity}}"),),
            unit="opm",
            colours=(("critical", "red"), ("informational", "blue")),
        ),
        Panel(
            "Clock skew, p95",
            "Difference between stations' clocks and Redis's.",
            ((quantile(0.95, metrics.STATION_CLOCK_SKEW_SECONDS), "p95"),),
            unit="s",
            log=True,
            steps=((10, "orange"),),
            runbooks=("StationClockSkew",),
        ),
        Panel(
            "Deviations tolerated",
            "From the standard, a minute, by kind.",
            ((per_minute(metrics.QUIRKS, "quirk"), "{{quirk}}"),),
            unit="opm",
        ),
    ),
)

_CONFIGURATION: Final = Row(
    "Configuration",
    (
        Panel(
            "Stations whose configuration drifted",
            "Stations with significant changes of their configuration that nobody has acknowledged.",
            ((fleet(metrics.STATIONS_DRIFT), "stations"),),
            steps=((1, "orange"),),
            runbooks=("ConfigDrift",),
        ),
        Panel(
            "Configurations read",
            "Reads that ended, a minute; failed: given up, the station tells nothing.",
            ((per_minute(metrics.CONFIGURATION_READS, "result"), "{{result}}"),),
            unit="opm",
            colours=(("ok", "green"), ("failed", "red")),
        ),
        Panel(
            "Drifts by change",
            "Drifts found, a minute, by each kind of change in them.",
            ((per_minute(metrics.CONFIGURATION_DRIFTS, "kind"), "{{kind}}"),),
            unit="opm",
        ),
        Panel(
            "Stations against their templates",
            "Stations that templates match, by state; refused ones need another template, reverting are left alone.",
            ((fleet(metrics.STATIONS_TUNED, "state"), "{{state}}"),),
            stacked=True,
            colours=(
                ("in_line", "green"),
                ("pending", "blue"),
                ("differs", "yellow"),
                ("refused", "orange"),
                ("reverting", "red"),
            ),
        ),
        Panel(
            "Keys set by templates",
            "Keys that templates set, a minute, by what came of it; reverting: somebody else sets them too.",
            ((per_minute(metrics.TUNING_KEYS, "result"), "{{result}}"),),
            unit="opm",
            colours=(("set", "green"), ("refused", "orange"), ("reverting", "red")),
        ),
        Panel(
            "Transactions by meter data",
            "Transactions that ended, a minute, by whether their meter data was what the policy wants.",
            ((per_minute(metrics.DATA_POLICY, "verdict"), "{{verdict}}"),),
            unit="opm",
            colours=(("met", "green"), ("partly", "yellow"), ("unmet", "orange"), ("none", "red")),
        ),
    ),
)
CHARGING: Final = Dashboard(
    "ampstream-charging",
    "Ampstream: Commands & Charging",
    "What operators and drivers notice: commands, transactions, energy, refusals, and what stations report.",
    (_COMMANDS, _TRANSACTIONS, AUTHORIZATION, SITES, DEMAND, _STATIONS, FILES, _CONFIGURATION, PROOFS),
)
